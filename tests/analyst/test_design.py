import math
from decimal import Decimal
from functools import reduce
from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.counts import fit_counts
from dpnotice.analyst.design import Design, back, gathered, patterns, planned, spread, transform
from dpnotice.errors import EstimateError, InquiryError
from dpnotice.privacy import Noise, NoiseLaw, PrivacyLoss
from dpnotice.segments import Axis
from made.designs import (
    SCALES,
    SIZES,
    TABLES,
    Names,
    RandomDesign,
    copied,
    flat,
    inquiry,
    orthonormal,
    outer,
    subsets,
    variance_of,
)
from made.releases import release, wen

Floats = Any
SEEDS = pytest.mark.parametrize("seed", range(24))
FEW = pytest.mark.parametrize("seed", range(8))
NONE = ("a", "c")  # no table of TABLES holds these together


def noise(scale: float) -> Noise:
    return Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=scale)


def design(
    tables: list[Names] = TABLES, scales: dict[Names, float] = SCALES, owner: str = "sephora"
) -> Design:
    axes = inquiry(SIZES, [()]).axes
    return Design(
        owner=owner, axes=axes, tables=tuple((names, noise(scales[names])) for names in tables)
    )


def unit_of(pattern: Names, sizes: dict[str, int]) -> Floats:
    """A full query of norm 1 within one pattern: a contrast on its axes, constant on the others."""
    parts = [
        np.array([1.0, -1.0, *[0.0] * (n - 2)]) / np.sqrt(2)
        if name in pattern
        else np.full(n, 1 / np.sqrt(n))
        for name, n in sizes.items()
    ]
    return reduce(np.kron, parts)


def in_patterns(names: Names, values: dict[Names, float]) -> Floats:
    """The figures of the patterns, index 1 on the axes of each."""
    figures = np.zeros((2,) * len(names))
    for pattern, value in values.items():
        figures[tuple(int(name in pattern) for name in names)] = value
    return figures


# --- what a design is ----------------------------------------------------------------------
def test_a_marginal_has_the_sizes_of_its_axes() -> None:
    assert [design().shape(of) for of in ((), ("b",), ("a", "c"))] == [(), (3,), (4, 2)]


def test_a_cell_of_a_marginal_holds_the_full_cells_of_the_other_axes() -> None:
    assert [design().cells_per(of) for of in ((), ("b",), ("a", "b", "c"))] == [24, 8, 1]


def test_unknown_is_a_level_like_the_others() -> None:
    axis = Axis(name="a", levels=("x", "y"))
    whole = Design(owner="o", axes={"a": axis}, tables=((("a",), noise(4.0)),))
    assert whole.cells_per(()) == len(whole.shape(("a",))) + 2 == 3
    assert whole.variance((), np.array(1.0)) == pytest.approx(3 * noise(4.0).variance)


# --- precision by pattern, against dense generalised least squares -------------------------
@SEEDS
def test_the_precision_of_a_pattern_is_the_inverse_variance_of_a_unit_query_in_it(
    seed: int,
) -> None:
    made = RandomDesign(seed)
    expected = {}
    for pattern in subsets(made.names):
        unit = unit_of(pattern, made.sizes)
        told = made.tells(unit)
        expected[pattern] = 1 / (unit @ made.covariance @ unit) if told else 0.0
    assert made.design.precision(made.names) == pytest.approx(
        in_patterns(made.names, expected), rel=1e-9
    )


@FEW
def test_a_table_tells_its_coefficients_with_the_precision_of_its_cells(seed: int) -> None:
    """A unit coefficient of the full cross is 1 / sqrt(m_A) of one of the table."""
    made = RandomDesign(seed)
    expected = [
        math.prod(n for name, n in made.sizes.items() if name not in of) / variance_of(table.noise)
        for of, table in made.tables
    ]
    assert made.design.told == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("law", NoiseLaw)
@pytest.mark.parametrize("scale", [0.01, 0.02, 0.026, 0.03])
def test_a_table_of_next_to_no_noise_is_known_as_well_as_floats_can_say(
    law: NoiseLaw, scale: float
) -> None:
    axes = inquiry(SIZES, [()]).axes
    tables = ((("a",), Noise(law=law, scale=scale)), (("a", "b"), noise(9.0)))
    made = Design(owner="o", axes=axes, tables=tables)
    (error,) = made.errors({"a": np.eye(4)[0]})
    assert math.isfinite(made.told[0])
    assert made.variance(("a",), np.eye(4)[0]) <= 1e-14
    assert error.sd <= 1e-7
    assert [term.weights.sum() for term in error.terms] == pytest.approx([1, 0], abs=1e-9)


@SEEDS
def test_a_marginal_has_the_precision_of_its_own_patterns(seed: int) -> None:
    made = RandomDesign(seed)
    whole = made.design.precision(made.names)
    for names in subsets(made.names):
        place = tuple(slice(None) if name in names else 0 for name in made.names)
        assert made.design.precision(names) == pytest.approx(whole[place], rel=1e-12)


@SEEDS
def test_known_is_the_inverse_of_what_the_tables_tell_and_nothing_elsewhere(seed: int) -> None:
    made = RandomDesign(seed)
    precision, known = made.design.precision(made.names), made.design.known(made.names)
    assert (known[precision == 0] == 0).all()
    assert known[precision > 0] * precision[precision > 0] == pytest.approx(1)


@SEEDS
def test_a_marginal_is_determined_where_the_tables_span_all_of_its_cells(seed: int) -> None:
    made = RandomDesign(seed)
    for names in subsets(made.names):
        assert made.design.determines(names) == made.tells(made.rows(names))


@SEEDS
def test_the_inverse_is_given_or_refused_as_the_tables_span_the_marginal(seed: int) -> None:
    made = RandomDesign(seed)
    for names in subsets(made.names):
        if made.tells(made.rows(names)):
            assert np.array_equal(made.design.inverse(names), made.design.known(names))
        else:
            with pytest.raises(EstimateError, match="no released table holds"):
                made.design.inverse(names)


def test_the_inverse_leaves_out_patterns_without_energy() -> None:
    energy = np.array([[2.0, 0.0], [0.0, 0.0]])
    inverse = design().inverse(NONE, energy)
    assert inverse[0, 0] == pytest.approx(design().known(())[()])
    assert inverse.ravel()[1:].tolist() == [0, 0, 0]


@SEEDS
def test_the_coefficients_are_the_rank_of_the_design(seed: int) -> None:
    made = RandomDesign(seed)
    assert made.design.coefficients == np.linalg.matrix_rank(made.matrix)


def test_a_repeated_table_tells_no_further_coefficient() -> None:
    twice = [*TABLES, ("a", "b"), ()]
    assert design(twice).coefficients == design().coefficients == 4 * 3 + 3 * (2 - 1)


# --- variance and covariance ---------------------------------------------------------------
@SEEDS
def test_the_variance_is_that_of_dense_least_squares(seed: int) -> None:
    made = RandomDesign(seed)
    names, weights, full = made.query()
    assert made.design.variance(names, weights) == pytest.approx(
        full @ made.covariance @ full, rel=1e-9
    )


@SEEDS
def test_the_variance_of_a_product_query_is_that_of_dense_least_squares(seed: int) -> None:
    made = RandomDesign(seed)
    (query,), (full,) = made.products(1)
    expected = full @ made.covariance @ full
    assert made.design.variance(tuple(query), outer(query)) == pytest.approx(expected, rel=1e-9)
    assert made.design.errors(query)[0].variance == pytest.approx(expected, rel=1e-9)


@SEEDS
def test_the_covariance_of_several_queries_is_that_of_dense_least_squares(seed: int) -> None:
    made = RandomDesign(seed)
    queries, full = made.products(4)
    expected = full @ made.covariance @ full.T
    sd = np.sqrt(np.diag(expected))
    got = made.design.covariance(tuple(queries[0]), np.stack([outer(q) for q in queries]))
    assert (np.abs(got - expected) <= 1e-9 * np.outer(sd, sd)).all()


@FEW
def test_variances_stand_on_the_diagonal_of_the_covariance(seed: int) -> None:
    made = RandomDesign(seed)
    names = made.part_of_a_table()
    queries = made.rng.normal(size=(3, *made.shape(names)))
    assert np.diag(made.design.covariance(names, queries)) == pytest.approx(
        [made.design.variance(names, query) for query in queries], rel=1e-9
    )


def test_a_query_of_zeros_has_no_variance() -> None:
    assert design().variance(NONE, np.zeros((4, 2))) == 0


@pytest.mark.parametrize("names", [(), ("a",), ("b",), ("a", "b")])
def test_a_cell_has_the_variance_of_the_published_formula(names: Names) -> None:
    """Sum over S within B of s_S^2 prod over S of (1 - 1/n) prod over B not S of 1/n^2."""
    terms = []
    for pattern in subsets(names):
        tau = sum(
            1 / (noise(SCALES[of]).variance * math.prod(SIZES[i] for i in of if i not in pattern))
            for of in TABLES
            if set(pattern) <= set(of)
        )
        inside = math.prod(1 - 1 / SIZES[i] for i in pattern)
        terms.append(inside * math.prod(SIZES[i] ** -2 for i in names if i not in pattern) / tau)
    cell = np.zeros(design().shape(names))
    cell.flat[0] = 1.0
    assert design().variance(names, cell) == pytest.approx(sum(terms), rel=1e-12)


# --- the law of an error -------------------------------------------------------------------
@SEEDS
def test_the_weights_on_the_noise_are_those_of_dense_least_squares(seed: int) -> None:
    made = RandomDesign(seed)
    names, weights, full = made.query()
    got = flat(made.design.error(names, weights))
    assert got == pytest.approx(full @ made.solver, rel=1e-9, abs=1e-9)


@FEW
def test_an_error_has_a_term_with_its_noise_for_every_table_in_their_order(seed: int) -> None:
    made = RandomDesign(seed)
    names, weights, _ = made.query()
    (query,), _ = made.products(1)
    expected = [table.noise for _, table in made.tables]
    for error in (made.design.error(names, weights), *made.design.errors(query)):
        assert [term.noise for term in error.terms] == expected


@SEEDS
def test_an_error_has_the_variance_of_its_weights(seed: int) -> None:
    made = RandomDesign(seed)
    names, weights, _ = made.query()
    assert made.design.error(names, weights).variance == pytest.approx(
        made.design.variance(names, weights), rel=1e-9
    )


@SEEDS
def test_product_queries_have_every_weight_of_the_dense_law_as_often_as_it_occurs(
    seed: int,
) -> None:
    made = RandomDesign(seed)
    queries, full = made.products(2)
    for error, weights in zip(made.design.errors(*queries), full, strict=True):
        dense = np.split(weights @ made.solver, np.cumsum([t.counts.size for _, t in made.tables]))
        for got, expected in zip(copied(error), dense[:-1], strict=True):
            assert got == pytest.approx(np.sort(expected), rel=1e-9, abs=1e-9)


@SEEDS
def test_product_queries_have_the_law_of_the_general_query(seed: int) -> None:
    made = RandomDesign(seed)
    (query,), _ = made.products(1)
    (error,) = made.design.errors(query)
    general = made.design.error(tuple(query), outer(query))
    for got, expected in zip(copied(error), copied(general), strict=True):
        assert got == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@SEEDS
def test_the_errors_of_a_part_and_its_whole_are_aligned(seed: int, share: float) -> None:
    made = RandomDesign(seed)
    (part, whole), (one, other) = made.products(2)
    top, bottom = made.design.errors(part, whole)
    mixed, full = top.minus(bottom.times(share)), one - share * other
    expected = full @ made.covariance @ full
    scale = top.variance + share**2 * bottom.variance
    assert mixed.variance == pytest.approx(expected, rel=1e-9, abs=1e-9 * scale)
    dense = np.split(full @ made.solver, np.cumsum([t.counts.size for _, t in made.tables]))
    for got, weights in zip(copied(mixed), dense[:-1], strict=True):
        assert got == pytest.approx(np.sort(weights), rel=1e-9, abs=1e-9)


@SEEDS
def test_the_covariance_of_aligned_errors_is_that_of_dense_least_squares(seed: int) -> None:
    made = RandomDesign(seed)
    queries, (one, other) = made.products(2)
    a, b = made.design.errors(*queries)
    assert a.covariance(b) == pytest.approx(
        one @ made.covariance @ other, rel=1e-9, abs=1e-9 * a.sd * b.sd
    )


@FEW
def test_every_cell_of_a_marginal_has_the_error_of_its_cells(seed: int) -> None:
    made = RandomDesign(seed)
    names = made.part_of_a_table()
    shared = made.design.cell_error(names)
    for cell in np.eye(math.prod(made.shape(names))):
        own = made.design.error(names, cell.reshape(made.shape(names)))
        assert shared.half_width(0.9) == pytest.approx(own.half_width(0.9), rel=1e-6)
        for got, expected in zip(copied(shared), copied(own), strict=True):
            assert got == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_product_query_on_large_tables_keeps_few_weights() -> None:
    axes = {n: Axis(name=n, levels=tuple(f"{n}{i}" for i in range(60))) for n in "ab"}
    large = Design(owner="o", axes=axes, tables=((("a",), noise(4.0)), (("a", "b"), noise(9.0))))
    (error,) = large.errors({"a": np.eye(61)[0], "b": np.arange(61) % 2 * 1.0})
    assert [term.weights.size for term in error.terms] == [2, 4]
    assert [term.copies.sum() for term in error.terms] == [61, 61 * 61]


def test_an_axis_without_a_factor_is_summed_over() -> None:
    alone, said = {"b": np.eye(3)[0]}, {"a": np.ones(4), "b": np.eye(3)[0]}
    (one,), (other,) = design().errors(alone), design().errors(said)
    assert one.variance == pytest.approx(other.variance)
    for a, b in zip(copied(one), copied(other), strict=True):
        assert a == pytest.approx(b, abs=1e-12)


def test_the_total_is_the_product_of_nothing() -> None:
    (error,) = design().errors({})
    assert error.variance == pytest.approx(design().variance((), np.array(1.0)))


def test_a_product_query_of_zeros_has_no_error() -> None:
    (error,) = design().errors({"a": np.zeros(4), "c": np.ones(2)})
    assert (error.variance, error.half_width(0.95)) == (0.0, 0.0)


# --- refusals ------------------------------------------------------------------------------
CELL = np.eye(1, 8).reshape(4, 2)
CALLS = pytest.mark.parametrize(
    "call",
    [
        lambda made: made.variance(NONE, CELL),
        lambda made: made.covariance(NONE, np.stack([CELL, np.ones((4, 2))])),
        lambda made: made.error(NONE, CELL),
        lambda made: made.errors({"a": np.eye(4)[0], "c": np.eye(2)[0]}),
        lambda made: made.errors(
            {"a": np.ones(4), "c": np.ones(2)}, {"a": np.eye(4)[0], "c": np.eye(2)[0]}
        ),
        lambda made: made.inverse(NONE),
        lambda made: made.cell_error(NONE),
        lambda made: made.inverse(NONE, np.ones((2, 2))),
    ],
)


@CALLS
def test_what_no_table_determines_is_refused_by_owner_and_marginal(call: Any) -> None:
    words = "ulta: no released table holds a x c together"
    with pytest.raises(EstimateError, match=words):
        call(design(owner="ulta"))


@pytest.mark.parametrize(
    ("tables", "names", "words"),
    [
        (TABLES, ("a", "b", "c"), "a x b x c"),
        ([("a",), ("b",)], ("a", "b"), "a x b"),
        ([()], ("b",), "b"),
    ],
)
def test_the_largest_missing_set_of_axes_is_named(
    tables: list[Names], names: Names, words: str
) -> None:
    with pytest.raises(EstimateError, match=f"no released table holds {words} together"):
        design(tables).inverse(names)


def test_only_the_axes_that_a_query_weighs_unevenly_are_missed() -> None:
    query = {"a": np.eye(4)[0], "b": np.eye(3)[0], "c": np.ones(2)}
    with pytest.raises(EstimateError, match="no released table holds a x b together"):
        design([("a",), ("b", "c")]).errors(query)


@pytest.mark.parametrize("weight", [1.0, 1e-3, 1e-7])
def test_a_small_weight_on_what_no_table_determines_is_refused_too(weight: float) -> None:
    uneven = np.ones((4, 2)) + weight * CELL
    factors = {"a": np.ones(4) + weight * np.eye(4)[0], "c": np.eye(2)[0]}
    for call in (
        lambda made: made.variance(NONE, uneven),
        lambda made: made.error(NONE, uneven),
        lambda made: made.errors(factors),
    ):
        with pytest.raises(EstimateError, match="a x c together"):
            call(design())


def test_float_dust_on_what_no_table_determines_is_no_weight() -> None:
    dusty = np.ones((4, 2)) + 1e-15 * CELL
    assert design().variance(NONE, dusty) == pytest.approx(design().variance((), np.array(1.0)))


def test_a_query_that_is_even_along_the_missing_axes_is_determined() -> None:
    effect = np.add.outer(np.eye(4)[0], np.eye(2)[1])
    assert design().variance(NONE, effect) > 0
    assert not design().determines(NONE)


# --- identities of a design ----------------------------------------------------------------
@FEW
def test_the_order_of_tables_does_not_matter(seed: int) -> None:
    made = RandomDesign(seed)
    names, weights, _ = made.query()
    turned = Design(owner="o", axes=made.design.axes, tables=made.design.tables[::-1])
    assert turned.variance(names, weights) == pytest.approx(made.design.variance(names, weights))


@FEW
def test_permuting_levels_permutes_the_covariance(seed: int) -> None:
    made = RandomDesign(seed)
    names, weights, _ = made.query()
    turned = weights
    for axis in range(weights.ndim):
        turned = np.take(turned, made.rng.permutation(weights.shape[axis]), axis)
    assert made.design.variance(names, turned) == pytest.approx(
        made.design.variance(names, weights), rel=1e-9
    )


@SEEDS
def test_permuting_axes_permutes_the_precision(seed: int) -> None:
    made = RandomDesign(seed)
    order = tuple(made.rng.permutation(made.names).tolist())
    tables = tuple((tuple(n for n in order if n in of), each) for of, each in made.design.tables)
    axes = {name: made.design.axes[name] for name in order}
    turned = Design(owner="o", axes=axes, tables=tables).precision(order)
    back_again = np.transpose(turned, [order.index(name) for name in made.names])
    assert back_again == pytest.approx(made.design.precision(made.names), rel=1e-12)


def of_variance(variance: float) -> Noise:
    return noise(0.5 / math.asinh(math.sqrt(0.5 / variance)))


@pytest.mark.parametrize("names", TABLES)
def test_a_table_released_twice_is_the_table_with_half_its_variance(names: Names) -> None:
    twice = design([*TABLES, names])
    halved = Design(
        owner="o",
        axes=twice.axes,
        tables=tuple(
            (of, of_variance(each.variance / 2) if of == names else each)
            for of, each in design().tables
        ),
    )
    every = ("a", "b", "c")
    assert twice.precision(every) == pytest.approx(halved.precision(every), rel=1e-12)


@pytest.mark.parametrize("names", TABLES)
def test_a_table_alone_released_twice_has_half_its_variance(names: Names) -> None:
    weights = np.random.default_rng(4).normal(size=design().shape(names))
    once, twice = (design([names] * n).variance(names, weights) for n in (1, 2))
    assert twice == pytest.approx(once / 2, rel=1e-12)
    assert once == pytest.approx(variance_of(noise(SCALES[names])) * np.sum(weights**2), rel=1e-9)


@pytest.mark.parametrize("scale", [0.3, 0.1, 0.03])
def test_with_less_and_less_noise_a_table_alone_decides(scale: float) -> None:
    weights = np.random.default_rng(4).normal(size=(4, 3))
    got = design(scales=SCALES | {("a", "b"): scale}).variance(("a", "b"), weights)
    alone = noise(scale).variance * np.sum(weights**2)
    assert got == pytest.approx(alone, rel=2 * noise(scale).variance)
    assert got <= alone


@given(seed=st.integers(0, 2**32), scale=st.floats(0.5, 200))
def test_adding_a_table_never_raises_a_variance(seed: int, scale: float) -> None:
    made = RandomDesign(seed)
    names, weights, _ = made.query()
    (query,), _ = made.products(1)
    chosen = subsets(made.names)
    added = chosen[made.rng.integers(len(chosen))]
    more = Design(
        owner="o", axes=made.design.axes, tables=(*made.design.tables, (added, noise(scale)))
    )
    limit = 1 + 1e-12
    assert more.variance(names, weights) <= made.design.variance(names, weights) * limit
    assert more.errors(query)[0].variance <= made.design.errors(query)[0].variance * limit


def test_a_table_of_as_much_noise_as_there_may_be_changes_nothing() -> None:
    more = design([*TABLES, ("a", "b", "c")], SCALES | {("a", "b", "c"): 2.0**47})
    weights = np.random.default_rng(4).normal(size=(4, 3))
    assert more.variance(("a", "b"), weights) == pytest.approx(
        design().variance(("a", "b"), weights), rel=1e-12
    )


# --- before the release --------------------------------------------------------------------
def test_a_plan_has_the_tables_of_the_inquiry_in_their_order() -> None:
    asked = inquiry(SIZES, TABLES, epsilon="0.5")
    made = planned(asked)
    assert [names for names, _ in made.tables] == list(asked.tables)
    assert made.axes == asked.axes


@pytest.mark.parametrize(
    "privacy",
    [{"epsilon": "0.7"}, {"epsilon": "5"}, {"rho": "0.03", "noise": "discrete-gaussian"}],
)
def test_the_noise_of_a_plan_costs_the_loss_of_the_inquiry(privacy: dict[str, str]) -> None:
    asked = inquiry(SIZES, TABLES, **privacy)
    noises = [each for _, each in planned(asked).tables]
    assert {each.law for each in noises} == {asked.noise_law}
    assert float(sum(each.loss for each in noises)) == pytest.approx(float(asked.loss.value))
    assert [float(each.loss) for each in noises] == pytest.approx(
        [float(asked.loss.value) / len(TABLES)] * len(TABLES)
    )


def test_a_table_of_more_weight_has_its_share_of_the_loss() -> None:
    tables = [{"of": [], "weight": "1"}, {"of": ["state"], "weight": "3"}]
    made = planned(wen(tables=tables, privacy={"epsilon": "2"}))
    assert {of: float(each.loss) for of, each in made.tables} == pytest.approx(
        {(): 0.5, ("state",): 1.5}
    )


def test_another_loss_stands_for_that_of_the_inquiry() -> None:
    asked = inquiry(SIZES, TABLES, epsilon="0.5")
    more = planned(asked, PrivacyLoss(epsilon=Decimal(5)))
    gaussian = planned(asked, PrivacyLoss(rho=Decimal(5)))
    assert float(sum(each.loss for _, each in more.tables)) == pytest.approx(5)
    assert float(sum(each.loss for _, each in gaussian.tables)) == pytest.approx(5)
    assert not any(each.is_laplace for _, each in gaussian.tables)


def test_the_planned_error_is_that_after_the_release() -> None:
    asked = inquiry(SIZES, TABLES, epsilon="0.5")
    counts = {of: np.ones(asked.shape(of), dtype=int) for of in TABLES}
    after = fit_counts((release(asked, counts, len(TABLES) / 0.5),)).design
    weights = np.random.default_rng(4).normal(size=(4, 3))
    assert planned(asked).variance(("a", "b"), weights) == pytest.approx(
        after.variance(("a", "b"), weights), rel=1e-12
    )


def test_a_loss_too_small_for_any_noise_is_refused() -> None:
    asked = inquiry(SIZES, TABLES, rho="1", noise="discrete-gaussian")
    with pytest.raises(InquiryError):
        planned(asked, PrivacyLoss(epsilon=Decimal("1e-14")))


# --- coordinates ---------------------------------------------------------------------------
SHAPES = pytest.mark.parametrize("shape", [(), (2,), (5,), (3, 3), (4, 2, 3)])


@SHAPES
def test_the_coordinates_are_the_orthonormal_cosines(shape: tuple[int, ...]) -> None:
    cells = np.random.default_rng(3).normal(size=shape)
    matrix = reduce(np.kron, [orthonormal(n) for n in shape], np.ones((1, 1)))
    assert transform(cells).ravel() == pytest.approx(matrix @ cells.ravel(), abs=1e-12)
    assert transform(cells).shape == shape


@SHAPES
def test_coordinates_lead_back_to_the_cells(shape: tuple[int, ...]) -> None:
    cells = np.random.default_rng(3).normal(size=shape)
    assert back(transform(cells)) == pytest.approx(cells, abs=1e-12)


@SHAPES
def test_the_way_back_is_the_transposed_cosines(shape: tuple[int, ...]) -> None:
    cells = np.random.default_rng(3).normal(size=shape)
    matrix = reduce(np.kron, [orthonormal(n) for n in shape], np.ones((1, 1)))
    assert back(cells.copy()).ravel() == pytest.approx(matrix.T @ cells.ravel(), abs=1e-12)


@SHAPES
def test_leading_axes_are_left_as_they_are(shape: tuple[int, ...]) -> None:
    many = np.random.default_rng(3).normal(size=(3, *shape))
    each = [back(one.copy()) for one in many]
    assert back(many.copy(), leading=1) == pytest.approx(np.stack(each), abs=1e-12)


def test_coordinates_leave_the_cells_untouched() -> None:
    cells = np.arange(6.0).reshape(2, 3)
    transform(cells)
    assert np.array_equal(cells, np.arange(6.0).reshape(2, 3))


def test_a_figure_per_pattern_is_spread_over_the_coefficients_of_its_pattern() -> None:
    figures = np.array([[1.0, 2.0], [3.0, 4.0]])
    wanted = [[1, 2, 2], [3, 4, 4], [3, 4, 4], [3, 4, 4]]
    assert spread(figures, ("a", "b"), design()).tolist() == wanted


def test_a_figure_of_the_total_is_spread_over_one_coefficient() -> None:
    assert spread(np.array(7.0), (), design()).shape == ()


@pytest.mark.parametrize("names", subsets(("a", "b", "c")))
def test_the_coefficients_that_tables_share_with_a_marginal_are_summed(names: Names) -> None:
    made, rng = design(), np.random.default_rng(6)
    by_table = [rng.normal(size=made.shape(of)) for of in TABLES]
    expected = np.zeros(made.shape(names))
    for index in product(*map(range, made.shape(names))):
        at = dict(zip(names, index, strict=True))
        for of, held in zip(TABLES, by_table, strict=True):
            if all(name in of for name, place in at.items() if place):
                expected[index] += held[tuple(at.get(name, 0) for name in of)]
    assert gathered(made, names, by_table) == pytest.approx(expected)


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b"), ("a", "b", "c")])
def test_patterns_are_all_sets_of_axes_smallest_first(names: Names) -> None:
    found = [pattern for pattern, _ in patterns(names)]
    assert sorted(found) == sorted(subsets(names))
    assert [len(pattern) for pattern in found] == sorted(map(len, found))


@pytest.mark.parametrize("names", [(), ("a",), ("a", "b"), ("a", "b", "c")])
def test_patterns_lie_where_the_index_is_not_zero_on_their_axes(names: Names) -> None:
    seen = np.full(design().shape(names), "", dtype=object)
    for pattern, place in patterns(names):
        seen[place] += "+".join(pattern) or "total"
    for index in product(*map(range, seen.shape)):
        inside = [name for name, at in zip(names, index, strict=True) if at]
        assert seen[index] == ("+".join(inside) or "total")
