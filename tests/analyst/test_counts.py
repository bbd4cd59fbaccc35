import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest

from dpnotice.analyst import counts as module
from dpnotice.analyst.counts import RetailerCounts, check_consistent, fit_counts
from dpnotice.analyst.intervals import fieller
from dpnotice.errors import EstimateError
from dpnotice.privacy import Noise, NoiseLaw
from dpnotice.release import Release
from made.designs import (
    GAUSSIAN,
    SCALES,
    SIZES,
    TABLES,
    Names,
    RandomDesign,
    inquiry,
    noisy,
    outer,
    streams,
    subsets,
)
from made.releases import laplace, marginal, release

Floats = Any
SEEDS = pytest.mark.parametrize("seed", range(24))
FEW = pytest.mark.parametrize("seed", range(8))
EVERY: list[Names] = [(), ("a",), ("b",), ("c",), ("a", "b"), ("b", "c")]
"""The marginals that TABLES determine."""


def one(names: Names, counts: Any, scale: float, *, sizes: Sequence[int] = (3,)) -> RetailerCounts:
    """The fit of a single table."""
    asked = inquiry(dict(zip("ab", sizes, strict=False)), [names])
    return fit_counts((release(asked, {names: counts}, {names: scale}),))


# --- against dense generalised least squares -----------------------------------------------
@SEEDS
def test_the_estimate_is_that_of_dense_least_squares(seed: int) -> None:
    made = RandomDesign(seed)
    names, weights, full = made.query()
    assert made.fit.query(names, weights)[0] == pytest.approx(full @ made.x, rel=1e-9, abs=1e-7)


@SEEDS
def test_every_determined_marginal_is_that_of_dense_least_squares(seed: int) -> None:
    made = RandomDesign(seed)
    for names in subsets(made.names):
        if made.tells(made.rows(names)):
            expected = (made.rows(names) @ made.x).reshape(made.shape(names))
            assert made.fit.marginal(names) == pytest.approx(expected, rel=1e-9, abs=1e-6)
        else:
            with pytest.raises(EstimateError):
                made.fit.marginal(names)


@SEEDS
def test_product_queries_are_those_of_dense_least_squares(seed: int) -> None:
    made = RandomDesign(seed)
    queries, full = made.products(3)
    for (value, error), weights in zip(made.fit.products(*queries), full, strict=True):
        assert value == pytest.approx(weights @ made.x, rel=1e-9, abs=1e-7)
        assert error.variance == pytest.approx(weights @ made.covariance @ weights, rel=1e-9)


@SEEDS
def test_a_product_query_is_the_general_query(seed: int) -> None:
    made = RandomDesign(seed)
    queries, _ = made.products(2)
    for query, (value, error) in zip(queries, made.fit.products(*queries), strict=True):
        general, general_error = made.fit.query(tuple(query), outer(query))
        assert value == pytest.approx(general, rel=1e-9, abs=1e-7)
        assert error.half_width(0.95) == pytest.approx(general_error.half_width(0.95), rel=1e-6)


def test_an_additive_query_on_a_marginal_that_no_table_holds_is_estimated() -> None:
    asked = inquiry({"a": 3, "b": 3}, [("a",), ("b",)])
    counts = {("a",): [5, 6, 7], ("b",): [4, 5, 9]}
    fit = fit_counts((release(asked, counts, {("a",): 3.0, ("b",): 3.0}),))
    effect = np.add.outer([1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    assert fit.query(("a", "b"), effect)[0] == pytest.approx(5 + 9)


def test_a_query_of_zeros_is_zero_without_error() -> None:
    value, error = RandomDesign(1).fit.query((), np.array(0.0))
    assert (value, error.sd) == (0.0, 0.0)


def test_a_fit_says_whose_it_is_and_by_which_axes() -> None:
    asked, _, fit = noisy()
    assert (fit.retailer, fit.axes) == ("sephora", asked.axes)


# --- permuting -----------------------------------------------------------------------------
def test_permuting_levels_permutes_the_estimates() -> None:
    asked, counts, fit = noisy()
    order = [2, 0, 3, 1]
    turned = {of: y[order] if "a" in of else y for of, y in counts.items()}
    other = fit_counts((release(asked, turned, SCALES),))
    assert other.marginal(("a", "b")) == pytest.approx(fit.marginal(("a", "b"))[order])


@pytest.mark.parametrize("order", [("c", "b", "a"), ("b", "a", "c"), ("c", "a", "b")])
def test_permuting_axes_permutes_the_estimates_and_not_their_errors(order: Names) -> None:
    _, counts, fit = noisy()

    def turned(of: Names) -> Names:
        return tuple(name for name in order if name in of)

    asked = inquiry({name: SIZES[name] for name in order}, [turned(of) for of in TABLES])
    tables = {
        turned(of): np.transpose(y, [of.index(name) for name in turned(of)])
        for of, y in counts.items()
    }
    scales = {turned(of): scale for of, scale in SCALES.items()}
    other = fit_counts((release(asked, tables, scales),))
    for of in EVERY:
        axes = [of.index(name) for name in turned(of)]
        expected = np.transpose(fit.marginal(of), axes)
        assert other.marginal(turned(of)) == pytest.approx(expected, rel=1e-9)
        assert other.design.cell_error(turned(of)).variance == pytest.approx(
            fit.design.cell_error(of).variance
        )


def test_axes_of_equal_size_are_not_exchanged() -> None:
    fit = one(("a", "b"), np.arange(9).reshape(3, 3), 2.0, sizes=(3, 3))
    assert fit.marginal(("a",)) == pytest.approx([3, 12, 21])
    assert fit.marginal(("a", "b"))[0] == pytest.approx([0, 1, 2])
    (query,) = fit.products({"a": np.eye(3)[0], "b": np.eye(3)[2]})
    assert query[0] == pytest.approx(2)
    assert fit.query(("a", "b"), np.outer([1.0, 0, 0], [0, 0, 1.0]))[0] == pytest.approx(2)


# --- merging -------------------------------------------------------------------------------
def test_a_query_on_two_merged_levels_is_the_sum_of_both() -> None:
    fit = noisy()[2]
    merged, first, second = fit.products(
        *({"a": np.array(w)} for w in ([1.0, 1, 0, 0], [1.0, 0, 0, 0], [0, 1.0, 0, 0]))
    )
    assert merged[0] == pytest.approx(first[0] + second[0])


def test_the_variance_of_two_merged_levels_includes_their_covariance() -> None:
    fit = noisy()[2]
    both = fit.query(("a",), np.array([1.0, 1.0, 0, 0]))[1]
    first, second = (fit.query(("a",), np.eye(4)[i])[1] for i in (0, 1))
    cross = first.covariance(second)
    assert both.variance == pytest.approx(first.variance + second.variance + 2 * cross)
    assert abs(cross) > 0.01 * both.variance


def test_unclipped_cells_sum_to_the_total() -> None:
    fit = noisy()[2]
    total = float(fit.marginal(()))
    assert [fit.marginal(of).sum() for of in TABLES] == pytest.approx([total] * len(TABLES))


def test_unclipped_cells_of_mostly_empty_tables_sum_to_the_total() -> None:
    asked = inquiry(SIZES, TABLES)
    rng = np.random.default_rng(9)
    counts = {of: laplace(rng, SCALES[of], asked.shape(of)) for of in TABLES}
    fit = fit_counts((release(asked, counts, SCALES),))
    for of in EVERY:
        assert fit.marginal(of).sum() == pytest.approx(float(fit.marginal(())), abs=1e-9)
        assert of == () or fit.marginal(of).min() < 0


def test_cells_may_be_negative() -> None:
    assert one(("a",), [-7, 0, 3], 5.0).marginal(("a",)) == pytest.approx([-7, 0, 3])


# --- several measurements ------------------------------------------------------------------
def test_all_tables_released_twice_halve_the_variance() -> None:
    asked, counts, fit = noisy()
    pair = tuple(release(asked, counts, SCALES, attempt=i) for i in (0, 1))
    weights = np.arange(12.0).reshape(4, 3)
    once, twice = (f.query(("a", "b"), weights)[1] for f in (fit, fit_counts(pair)))
    assert twice.variance == pytest.approx(once.variance / 2)


def test_two_different_attempts_are_averaged() -> None:
    asked = inquiry({"a": 2}, [()])
    pair = tuple(release(asked, {(): n}, {(): 4.0}, attempt=i) for i, n in enumerate([10, 20]))
    assert fit_counts(pair).query((), np.array(1.0))[0] == pytest.approx(15)


def test_attempts_of_unequal_noise_are_weighed_by_their_precision() -> None:
    asked = inquiry({"a": 2}, [()])
    pair = tuple(
        release(asked, {(): n}, {(): scale}, attempt=i)
        for i, (n, scale) in enumerate([(10, 4.0), (20, 9.0)])
    )
    v = [Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=scale).variance for scale in (4.0, 9.0)]
    ((value, error),) = fit_counts(pair).products({})
    assert value == pytest.approx((10 / v[0] + 20 / v[1]) / (1 / v[0] + 1 / v[1]))
    assert error.variance == pytest.approx(1 / (1 / v[0] + 1 / v[1]))


def two_inquiries() -> tuple[Release, Release]:
    """One class, first asked by axis a and then, with the other law, by axis b."""
    first, second = inquiry(SIZES, [("a",)]), inquiry(SIZES, [("b",)], **GAUSSIAN)
    return (
        release(first, {("a",): [5, 6, 7, 8]}, 3.0),
        release(second, {("b",): [9, 10, 10]}, 6.0),
    )


def test_two_inquiries_with_different_tables_are_combined() -> None:
    fit = fit_counts(two_inquiries())
    v_a, v_b = (table.noise.variance for each in two_inquiries() for table in each.tables.values())
    total = (26 / (4 * v_a) + 29 / (3 * v_b)) / (1 / (4 * v_a) + 1 / (3 * v_b))
    assert float(fit.marginal(())) == pytest.approx(total)
    assert fit.marginal(("a",)) == pytest.approx(np.array([5, 6, 7, 8]) + (total - 26) / 4)
    assert fit.marginal(("b",)) == pytest.approx(np.array([9, 10, 10]) + (total - 29) / 3)


def test_two_inquiries_know_the_total_better_than_either() -> None:
    both = fit_counts(two_inquiries()).design.cell_error(()).variance
    each = [fit_counts((item,)).design.cell_error(()).variance for item in two_inquiries()]
    assert 1 / both == pytest.approx(1 / each[0] + 1 / each[1])


@pytest.mark.parametrize("pair", [False, True])
def test_the_order_of_two_releases_does_not_matter(pair: bool) -> None:  # noqa: FBT001
    asked, counts, _ = noisy()
    items = two_inquiries() if pair else [release(asked, counts, s, attempt=int(s)) for s in (3, 9)]
    fit, other = fit_counts(tuple(items)), fit_counts(tuple(items)[::-1])
    for names in [(), ("a",), ("b",)]:
        assert other.marginal(names) == pytest.approx(fit.marginal(names), rel=1e-12)


# --- no noise, hardly any noise ------------------------------------------------------------
@pytest.mark.parametrize("names", [(), ("a",), ("a", "b"), ("b", "c")])
def test_a_table_of_hardly_any_noise_is_reproduced(names: Names) -> None:
    _, counts, fit = noisy(scales=SCALES | {names: 0.05})
    assert fit.marginal(names) == pytest.approx(counts[names], abs=1e-4)


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b"), ("b", "c")])
def test_a_table_of_the_least_noise_that_may_be_is_reproduced(names: Names) -> None:
    _, counts, fit = noisy(scales=SCALES | {names: 0.01})
    assert fit.marginal(names) == pytest.approx(counts[names], abs=1e-9)


@pytest.mark.parametrize("scale", [0.01, 0.02, 0.026, 0.05])
def test_a_gaussian_table_of_hardly_any_noise_is_reproduced(scale: float) -> None:
    """Below a scale of 0.026 its variance is 0 as a float."""
    asked = inquiry(SIZES, TABLES, **GAUSSIAN)
    full = np.random.default_rng(2).integers(0, 90, size=(4, 3, 2))
    counts = {of: marginal(asked, full, of) for of in TABLES} | {("a",): np.array([9, 80, 7, 6])}
    fit = fit_counts((release(asked, counts, SCALES | {("a",): scale}),))
    assert fit.marginal(("a",)) == pytest.approx(counts[("a",)], abs=1e-9)
    assert math.isfinite(fit.products({"b": np.eye(3)[0]})[0][1].half_width(0.95))


@pytest.mark.parametrize("scale", [0.01, 0.4, 7.0, 1e6])
def test_consistent_tables_without_error_return_themselves(scale: float) -> None:
    asked = inquiry(SIZES, TABLES)
    full = np.random.default_rng(2).integers(0, 90, size=(4, 3, 2))
    exact = {of: marginal(asked, full, of) for of in asked.tables}
    fit = fit_counts((release(asked, exact, {of: scale * s for of, s in SCALES.items()}),))
    for of in EVERY:
        assert fit.marginal(of) == pytest.approx(marginal(asked, full, of), abs=1e-9)


@FEW
def test_consistent_tables_without_error_answer_every_product_query(seed: int) -> None:
    made = RandomDesign(seed)
    exact = tuple(
        release(
            each.inquiry,
            {of: marginal(each.inquiry, made.full, of) for of in each.tables},
            {of: table.noise.scale for of, table in each.tables.items()},
            attempt=each.attempt,
        )
        for each in made.releases
    )
    queries, full = made.products(3)
    values = [value for value, _ in fit_counts(exact).products(*queries)]
    assert values == pytest.approx(full @ made.full.ravel(), rel=1e-9, abs=1e-7)


def test_a_whole_is_the_sum_over_every_level_unknown_included() -> None:
    fit = one(("a",), [10, 20, 70], 4.0)  # the last level is `unknown`
    part, whole = fit.products({"a": np.eye(3)[0]}, {"a": np.ones(3)})
    assert whole[0] == pytest.approx(100)
    assert whole[1].variance == pytest.approx(3 * fit.design.tables[0][1].variance)
    assert part[0] / whole[0] == pytest.approx(0.1)


def test_a_share_of_all_is_of_every_level_unknown_included() -> None:
    fit = one(("a",), [100, 200, 700], 0.02)
    lower, upper, determined = fieller(
        *fit.products({"a": np.eye(3)[0]}, {"a": np.ones(3)}), level=0.95
    )
    assert determined
    assert [lower, upper] == pytest.approx([0.1, 0.1], abs=2e-3)


# --- further tables ------------------------------------------------------------------------
@pytest.mark.parametrize("added", [(), ("a",), ("b", "c"), ("a", "b", "c")])
@pytest.mark.parametrize("names", [(), ("a",), ("b",), ("a", "b")])
def test_adding_a_table_never_raises_a_variance(added: Names, names: Names) -> None:
    base = [("a", "b"), ("b",)]
    scales = dict.fromkeys([*base, (), ("a",), ("b", "c"), ("a", "b", "c")], 6.0)
    before, after = noisy(base, scales)[2], noisy([*base, added], scales)[2]
    weights = np.random.default_rng(1).normal(size=before.design.shape(names))
    rows = {name: np.arange(SIZES[name]) % 2 * 1.0 for name in names}
    limit = 1 + 1e-12
    dense = [fit.query(names, weights)[1].variance for fit in (before, after)]
    products = [fit.products(rows)[0][1].variance for fit in (before, after)]
    assert dense[1] <= dense[0] * limit
    assert products[1] <= products[0] * limit


# --- refusals ------------------------------------------------------------------------------
UNMEASURED = [(("a", "c"), "a x c"), (("a", "b", "c"), "a x b x c")]


@pytest.mark.parametrize(("names", "words"), UNMEASURED)
def test_a_marginal_that_no_table_determines_is_refused_by_name(names: Names, words: str) -> None:
    with pytest.raises(EstimateError, match=f"sephora: no released table holds {words} together"):
        noisy()[2].marginal(names)


def test_a_query_with_weight_on_an_unmeasured_pattern_is_refused_by_name() -> None:
    weights = np.zeros((4, 2))
    weights[0, 0] = 1.0
    with pytest.raises(EstimateError, match="no released table holds a x c together"):
        noisy()[2].query(("a", "c"), weights)


@pytest.mark.parametrize(("names", "words"), UNMEASURED)
def test_a_product_query_on_an_unmeasured_pattern_is_refused_by_name(
    names: Names, words: str
) -> None:
    query = {name: np.eye(SIZES[name])[0] for name in names}
    whole = {name: np.ones(SIZES[name]) for name in names}
    for queries in ([query], [whole, query]):
        with pytest.raises(EstimateError, match=f"no released table holds {words} together"):
            noisy()[2].products(*queries)


def test_a_product_query_that_is_even_along_an_unmeasured_axis_is_estimated() -> None:
    fit = noisy()[2]
    query = {"a": np.eye(4)[0], "c": np.ones(2)}
    ((value, _),) = fit.products(query)
    assert value == pytest.approx(fit.marginal(("a",))[0])


def test_draws_of_an_unmeasured_marginal_are_refused() -> None:
    with pytest.raises(EstimateError, match="a x c together"):
        noisy()[2].draws(("a", "c"), 3, streams(0))


# --- lone counts ---------------------------------------------------------------------------
def test_a_cell_of_a_lone_table_has_the_closed_half_width_of_its_noise() -> None:
    fit = one(("a",), np.arange(7), 64.0, sizes=(7,))
    noise = Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=64.0)
    for error in (fit.query(("a",), np.eye(7)[3])[1], fit.design.cell_error(("a",))):
        assert int(error.half_width(0.95) + 1e-6) == noise.half_width(0.95)


def test_a_gaussian_cell_of_a_lone_table_has_the_whole_half_width_of_its_noise() -> None:
    # 1.96 * 0.5 would leave no room for an error of 1, which happens in one of five releases
    asked = inquiry({"a": 7}, [("a",)], **GAUSSIAN)
    fit = fit_counts((release(asked, {("a",): np.arange(7)}, {("a",): 0.5}),))
    for error in (fit.query(("a",), np.eye(7)[3])[1], fit.design.cell_error(("a",))):
        assert error.half_width(0.95) >= 1 - 1e-6


# --- draws ---------------------------------------------------------------------------------
def test_draws_have_the_shape_of_the_marginal() -> None:
    assert noisy()[2].draws(("a", "b"), 5, streams(0)).shape == (5, 4, 3)


def test_draws_of_the_total_are_a_vector() -> None:
    assert noisy()[2].draws((), 5, streams(0)).shape == (5,)


def test_draws_have_the_mean_of_the_estimate() -> None:
    # 40,000 draws of 12 cells: beyond 6 s.d. once in 40 million runs
    fit = noisy()[2]
    drawn = fit.draws(("a", "b"), 40_000, streams(4))
    sd = fit.design.cell_error(("a", "b")).sd
    assert np.abs(drawn.mean(axis=0) - fit.marginal(("a", "b"))).max() < 6 * sd / 200


def test_draws_have_the_covariance_of_the_estimate() -> None:
    # s.d. of an empirical covariance is below sqrt(2 / 40,000) variances: 6 of them are 4.3 %
    fit = noisy()[2]
    drawn = fit.draws(("a", "b"), 40_000, streams(4)).reshape(40_000, 12)
    exact = fit.design.covariance(("a", "b"), np.eye(12).reshape(12, 4, 3))
    assert np.abs(np.cov(drawn.T) - exact).max() < 0.043 * exact.max()


class Counting:
    """A generator whose normal numbers are 0 but for one of them, which is 1."""

    def __init__(self, place: int) -> None:
        self.place = place

    def standard_normal(self, shape: tuple[int, ...]) -> Floats:
        numbers = np.zeros(shape)
        if 0 <= self.place < numbers.size:
            numbers.flat[self.place] = 1.0
        self.place -= numbers.size
        return numbers


@FEW
def test_draws_are_a_square_root_of_the_dense_covariance(seed: int) -> None:
    made = RandomDesign(seed)
    names = made.part_of_a_table()
    estimate = made.fit.marginal(names).ravel()
    columns = []
    for pattern in subsets(names):
        label = f"counts/sephora/{'+'.join(pattern)}"
        for place in range(math.prod(made.sizes[name] - 1 for name in pattern)):

            def stream(asked: str, label: str = label, place: int = place) -> Any:
                return Counting(place if asked == label else -1)

            columns.append(made.fit.draws(names, 1, stream).ravel() - estimate)
    root = np.stack(columns, axis=1)
    rows = made.rows(names)
    expected = rows @ made.covariance @ rows.T
    assert root @ root.T == pytest.approx(expected, rel=1e-9, abs=1e-9 * expected.max())


def test_draws_of_empty_cells_may_be_negative() -> None:
    fit = one(("a",), [0, 0, 0], 5.0)
    drawn = fit.draws(("a",), 200, streams(3))
    assert (drawn < 0).any(axis=0).all()
    assert drawn.sum(axis=1) == pytest.approx(fit.draws((), 200, streams(3)), abs=1e-9)


def test_the_same_seed_gives_the_same_draws() -> None:
    fit = noisy()[2]
    first, second = (fit.draws(("b",), 4, streams(8)) for _ in range(2))
    assert np.array_equal(first, second)


def test_another_seed_gives_other_draws() -> None:
    fit = noisy()[2]
    first, second = (fit.draws(("b",), 4, streams(seed)) for seed in (8, 9))
    assert (first != second).all()


@pytest.mark.parametrize("at_once", [1, 12, 50, 2**20])
@pytest.mark.parametrize("names", [(), ("b",), ("a", "b")])
def test_draws_are_the_same_however_many_are_transformed_together(
    monkeypatch: pytest.MonkeyPatch, names: Names, at_once: int
) -> None:
    fit = noisy()[2]
    expected = fit.draws(names, 37, streams(8))
    monkeypatch.setattr(module, "_DRAWN_AT_ONCE", at_once)
    assert fit.draws(names, 37, streams(8)) == pytest.approx(expected, rel=1e-12)


def test_fewer_draws_are_the_first_of_more() -> None:
    fit = noisy()[2]
    few, many = (fit.draws(("a", "b"), number, streams(8)) for number in (5, 50_000))
    assert many[:5] == pytest.approx(few, rel=1e-12)


@pytest.mark.parametrize(
    ("names", "less"),
    [(("a",), ()), (("a", "b"), ("a",)), (("a", "b"), ("b",)), (("b", "c"), ("b",))],
)
def test_a_further_axis_moves_no_other_draw(names: Names, less: Names) -> None:
    fit = noisy()[2]
    away = tuple(1 + names.index(name) for name in names if name not in less)
    summed = fit.draws(names, 4, streams(3)).sum(axis=away)
    assert summed == pytest.approx(fit.draws(less, 4, streams(3)))


def test_every_pattern_is_drawn_from_a_stream_of_its_own() -> None:
    labels: list[str] = []

    def stream(label: str) -> np.random.Generator:
        labels.append(label)
        return streams(0)(label)

    noisy()[2].draws(("a", "b"), 3, stream)
    assert len(set(labels)) == len(labels) == 4


def test_draws_of_two_retailers_are_different() -> None:
    asked, counts, fit = noisy()
    other = fit_counts((release(asked, counts, SCALES, retailer="ulta"),))
    assert (other.draws(("a",), 4, streams(3)) != fit.draws(("a",), 4, streams(3))).all()


# --- tables that contradict each other -----------------------------------------------------
def spoilt(counts: Mapping[Names, Floats], by: int) -> dict[Names, Floats]:
    return {of: np.asarray(y) + by * (of == ("a",)) for of, y in counts.items()}


def test_tables_that_agree_but_for_their_noise_are_returned() -> None:
    fit = noisy()[2]
    assert check_consistent(fit) is fit


@SEEDS
def test_tables_with_noise_of_the_published_law_are_returned(seed: int) -> None:
    """Refused once in a billion releases, says the docstring."""
    asked, rng = inquiry(SIZES, EVERY), np.random.default_rng(seed)
    full = rng.integers(0, 90, size=(4, 3, 2))
    counts = {of: marginal(asked, full, of) + laplace(rng, 5.0, asked.shape(of)) for of in EVERY}
    check_consistent(fit_counts((release(asked, counts, 5.0),)))


def test_tables_that_contradict_each_other_are_refused_by_retailer() -> None:
    asked, counts, _ = noisy()
    fit = fit_counts((release(asked, spoilt(counts, 500), SCALES, retailer="ulta"),))
    with pytest.raises(EstimateError, match="ulta: its tables contradict each other") as refused:
        check_consistent(fit)
    assert refused.value.code == "INCONSISTENT"


def test_the_limit_of_contradiction_is_the_documented_one() -> None:
    """Two answers n and -n leave S = 2 n^2 / v with f = 1."""
    asked = inquiry({"a": 2}, [()])
    v = Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=4.0).variance
    most = math.sqrt((1 + 30 * math.sqrt(5) + 300) * v / 2)

    def fit(n: int) -> RetailerCounts:
        pair = [release(asked, {(): s * n}, 4.0, attempt=s + 1) for s in (1, -1)]
        return fit_counts(tuple(pair))

    check_consistent(fit(math.floor(most)))
    with pytest.raises(EstimateError, match="contradict"):
        check_consistent(fit(math.ceil(most)))


@pytest.mark.parametrize("scale", [0.01, 0.05, 1.0])
def test_exact_tables_of_a_whole_country_are_no_contradiction(scale: float) -> None:
    asked = inquiry(SIZES, EVERY)
    full = np.random.default_rng(2).integers(0, 3 * 10**7, size=(4, 3, 2))
    exact = {of: marginal(asked, full, of) for of in EVERY}
    check_consistent(fit_counts((release(asked, exact, scale),)))


def test_a_single_table_contradicts_nothing() -> None:
    fit = one(("a",), [10**6, -(10**6), 3], 0.5)
    assert check_consistent(fit) is fit
