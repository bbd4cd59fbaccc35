from collections.abc import Callable, Sequence
from functools import reduce
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dpnotice.analyst.counts import RetailerCounts, fit_counts
from dpnotice.analyst.intervals import LinearNoise
from dpnotice.analyst.rates import Sampling
from dpnotice.errors import EstimateError
from dpnotice.inquiry import Inquiry
from dpnotice.privacy import Noise, NoiseLaw
from made.releases import marginal, release, wen

Names = tuple[str, ...]
Floats = Any
SEEDS = pytest.mark.parametrize("seed", range(24))


def streams(seed: int) -> Callable[[str], np.random.Generator]:
    return Sampling(axes=(), draws=1, seed=seed).stream


def inquiry(sizes: Sequence[int], tables: Sequence[Names], **privacy: str) -> Inquiry:
    """Axes a, b, c, d of the given sizes, `unknown` included."""
    return wen(
        axes={
            name: [f"{name}{i}" for i in range(size - 1)]
            for name, size in zip("abcd", sizes, strict=False)
        },
        tables=[{"of": list(names)} for names in tables],
        privacy=privacy or {"epsilon": "100000"},
    )


class Design:
    """A random design and its solution by dense linear algebra."""

    def __init__(self, seed: int) -> None:
        rng = self.rng = np.random.default_rng(seed)
        d = int(rng.integers(1, 5))
        self.sizes = [int(n) for n in rng.integers(2, 5 if d < 4 else 4, size=d)]
        names = tuple("abcd"[:d])
        every = [s for k in range(d + 1) for s in combinations(names, k)]
        keep = rng.random(len(every)) < 0.5
        keep[rng.integers(len(every))] = True
        chosen = [names_ for names_, kept in zip(every, keep, strict=True) if kept]
        laplace = bool(rng.random() < 0.5)
        privacy = (
            {"epsilon": "100000"} if laplace else {"rho": "100000", "noise": "discrete-gaussian"}
        )
        self.asked = inquiry(self.sizes, chosen, **privacy)
        self.scales = {of: float(rng.uniform(0.5, 30)) for of in self.asked.tables}
        self.counts = {
            of: rng.integers(-50, 500, size=self.asked.shape(of)) for of in self.asked.tables
        }
        self.fit = fit_counts((release(self.asked, self.counts, self.scales),))
        self._solve()

    def rows(self, names: Names) -> Floats:
        """The 0/1 matrix from full cells to the cells of a marginal."""
        parts = [
            np.eye(n) if name in names else np.ones((1, n))
            for name, n in zip("abcd", self.sizes, strict=False)
        ]
        return reduce(np.kron, parts)

    def _solve(self) -> None:
        tables = self.asked.tables
        self.matrix = np.vstack([self.rows(of) for of in tables])
        y = np.concatenate([np.ravel(self.counts[of]) for of in tables])
        law = self.asked.noise_law
        self.v = np.concatenate(
            [
                np.full(self.asked.cells(of), Noise(law=law, scale=self.scales[of]).variance)
                for of in tables
            ]
        )
        root = 1 / np.sqrt(self.v)
        self.solver = np.linalg.pinv(self.matrix * root[:, None], rcond=1e-11) * root
        self.x = self.solver @ y
        self.covariance = (self.solver * self.v) @ self.solver.T

    def query(self) -> tuple[Names, Floats, Floats]:
        """A random estimable query: names, weights, and the weights on the full cross."""
        tables = self.asked.tables
        table = tables[self.rng.integers(len(tables))]
        names = tuple(name for name in table if self.rng.random() < 0.7)
        weights = self.rng.normal(size=self.asked.shape(names))
        return names, weights, self.rows(names).T @ np.ravel(weights)


def flat(error: LinearNoise) -> Floats:
    return np.concatenate([np.ravel(a) for a, *_ in error.terms])


# --- against dense generalised least squares -----------------------------------------------
@SEEDS
def test_the_estimate_is_that_of_dense_least_squares(seed: int) -> None:
    design = Design(seed)
    names, weights, full = design.query()
    assert design.fit.query(names, weights)[0] == pytest.approx(full @ design.x, rel=1e-9, abs=1e-7)


@SEEDS
def test_the_variance_is_that_of_dense_least_squares(seed: int) -> None:
    design = Design(seed)
    names, weights, full = design.query()
    expected = full @ design.covariance @ full
    assert design.fit.query(names, weights)[1].variance == pytest.approx(expected, rel=1e-9)


@SEEDS
def test_the_weights_on_the_noise_are_those_of_dense_least_squares(seed: int) -> None:
    design = Design(seed)
    names, weights, full = design.query()
    got = flat(design.fit.query(names, weights)[1])
    assert got == pytest.approx(full @ design.solver, rel=1e-9, abs=1e-9)


@SEEDS
def test_the_covariance_of_two_queries_is_that_of_dense_least_squares(seed: int) -> None:
    design = Design(seed)
    (one, one_weights, one_full), (two, two_weights, two_full) = design.query(), design.query()
    a, b = design.fit.query(one, one_weights)[1], design.fit.query(two, two_weights)[1]
    expected = one_full @ design.covariance @ two_full
    scale = a.sd * b.sd
    assert np.sum(flat(a) * flat(b) * design.v) == pytest.approx(
        expected, rel=1e-9, abs=1e-9 * scale
    )


@SEEDS
def test_every_determined_marginal_is_that_of_dense_least_squares(seed: int) -> None:
    design = Design(seed)
    for table in design.asked.tables:
        for k in range(len(table) + 1):
            for names in combinations(table, k):
                expected = (design.rows(names) @ design.x).reshape(design.asked.shape(names))
                assert design.fit.marginal(names) == pytest.approx(expected, rel=1e-9, abs=1e-6)


@SEEDS
def test_whether_a_marginal_is_determined_agrees_with_the_rank_of_the_design(seed: int) -> None:
    design = Design(seed)
    names = tuple("abcd"[: len(design.sizes)])
    for k in range(len(names) + 1):
        for asked in combinations(names, k):
            rows = design.rows(asked)
            inside = np.allclose(rows @ design.solver @ design.matrix, rows, atol=1e-8)
            if inside:
                design.fit.marginal(asked)
            else:
                with pytest.raises(EstimateError):
                    design.fit.marginal(asked)


def test_an_additive_query_on_a_marginal_that_no_table_holds_is_estimated() -> None:
    asked = inquiry([3, 3], [("a",), ("b",)])
    counts = {("a",): [5, 6, 7], ("b",): [4, 5, 9]}
    fit = fit_counts((release(asked, counts, {("a",): 3.0, ("b",): 3.0}),))
    effect = np.add.outer([1.0, 0.0, 0.0], [0.0, 0.0, 1.0])
    assert fit.query(("a", "b"), effect)[0] == pytest.approx(5 + 9)


def test_a_query_of_zeros_is_zero_without_error() -> None:
    value, error = Design(1).fit.query((), np.array(0.0))
    assert (value, error.sd) == (0.0, 0.0)


# --- metamorphic identities ----------------------------------------------------------------
TABLES: list[Names] = [(), ("a",), ("b",), ("a", "b"), ("b", "c")]
SCALES = {(): 3.0, ("a",): 9.0, ("b",): 5.0, ("a", "b"): 14.0, ("b", "c"): 7.0}


def noisy(
    tables: Sequence[Names] = TABLES, scales: dict[Names, float] = SCALES, seed: int = 5
) -> tuple[Inquiry, dict[Names, Floats], RetailerCounts]:
    asked = inquiry([4, 3, 2], tables)
    rng = np.random.default_rng(seed)
    full = rng.integers(0, 90, size=(4, 3, 2))
    counts = {
        of: marginal(asked, full, of) + rng.integers(-9, 10, size=asked.shape(of))
        for of in asked.tables
    }
    return asked, counts, fit_counts((release(asked, counts, scales),))


def test_permuting_levels_permutes_the_estimates() -> None:
    asked, counts, fit = noisy()
    order = [2, 0, 3, 1]
    turned = {of: y[order] if "a" in of else y for of, y in counts.items()}
    other = fit_counts((release(asked, turned, SCALES),))
    assert other.marginal(("a", "b")) == pytest.approx(fit.marginal(("a", "b"))[order])


def test_axes_of_equal_size_are_not_exchanged() -> None:
    asked = inquiry([3, 3], [("a", "b")])
    counts = {("a", "b"): np.arange(9).reshape(3, 3)}
    fit = fit_counts((release(asked, counts, {("a", "b"): 2.0}),))
    assert fit.marginal(("a",)) == pytest.approx([3, 12, 21])


def test_a_query_on_two_merged_levels_is_the_sum_of_both() -> None:
    fit = noisy()[2]
    both = fit.query(("a",), np.array([1.0, 1.0, 0, 0]))
    one, other = (fit.query(("a",), np.eye(4)[i]) for i in (0, 1))
    assert both[0] == pytest.approx(one[0] + other[0])


def test_the_variance_of_two_merged_levels_includes_their_covariance() -> None:
    fit = noisy()[2]
    both = fit.query(("a",), np.array([1.0, 1.0, 0, 0]))[1]
    one, other = (fit.query(("a",), np.eye(4)[i])[1] for i in (0, 1))
    cross = sum(
        float(np.sum(a * b)) * noise.variance
        for (a, noise, _), (b, *_) in zip(one.terms, other.terms, strict=True)
    )
    assert both.variance == pytest.approx(one.variance + other.variance + 2 * cross)


def test_all_tables_released_twice_halve_the_variance() -> None:
    asked, counts, fit = noisy()
    pair = tuple(release(asked, counts, SCALES, attempt=i) for i in (0, 1))
    weights = np.arange(12.0).reshape(4, 3)
    once, twice = (f.query(("a", "b"), weights)[1] for f in (fit, fit_counts(pair)))
    assert twice.variance == pytest.approx(once.variance / 2)


def test_two_different_attempts_are_averaged() -> None:
    asked = inquiry([2], [()])
    pair = tuple(release(asked, {(): n}, {(): 4.0}, attempt=i) for i, n in enumerate([10, 20]))
    assert fit_counts(pair).query((), np.array(1.0))[0] == pytest.approx(15)


def test_a_table_of_hardly_any_noise_is_reproduced() -> None:
    asked, counts, fit = noisy(scales=SCALES | {("a", "b"): 0.05})
    assert fit.marginal(("a", "b")) == pytest.approx(counts[("a", "b")], abs=1e-4)
    assert asked.shape(("a", "b")) == (4, 3)


def test_consistent_tables_without_error_return_themselves() -> None:
    asked = inquiry([4, 3, 2], TABLES)
    full = np.random.default_rng(2).integers(0, 90, size=(4, 3, 2))
    exact = {of: marginal(asked, full, of) for of in asked.tables}
    fit = fit_counts((release(asked, exact, SCALES),))
    for of, table in exact.items():
        assert fit.marginal(of) == pytest.approx(table, abs=1e-9)


def test_unclipped_cells_sum_to_the_total() -> None:
    fit = noisy()[2]
    total = float(fit.marginal(()))
    assert [fit.marginal(of).sum() for of in TABLES] == pytest.approx([total] * len(TABLES))


def test_cells_may_be_negative() -> None:
    asked = inquiry([3], [("a",)])
    fit = fit_counts((release(asked, {("a",): [-7, 0, 3]}, {("a",): 5.0}),))
    assert fit.marginal(("a",)) == pytest.approx([-7, 0, 3])


@pytest.mark.parametrize("added", [(), ("a",), ("b", "c"), ("a", "b", "c")])
@pytest.mark.parametrize("names", [(), ("a",), ("b",), ("a", "b")])
def test_adding_a_table_never_raises_a_variance(added: Names, names: Names) -> None:
    base = [("a", "b"), ("b",)]
    scales = dict.fromkeys([*base, (), ("a",), ("b", "c"), ("a", "b", "c")], 6.0)
    asked = inquiry([4, 3, 2], base)
    weights = np.random.default_rng(1).normal(size=asked.shape(names))
    before = noisy(base, scales)[2].query(names, weights)[1].variance
    after = noisy([*base, added], scales)[2].query(names, weights)[1].variance
    assert after <= before * (1 + 1e-12)


@pytest.mark.parametrize(
    ("names", "words"), [(("a", "c"), "a x c"), (("a", "b", "c"), "a x b x c")]
)
def test_a_marginal_that_no_table_determines_is_refused_by_name(names: Names, words: str) -> None:
    with pytest.raises(EstimateError, match=f"sephora: no released table holds {words} together"):
        noisy()[2].marginal(names)


def test_a_query_with_weight_on_an_unmeasured_pattern_is_refused_by_name() -> None:
    weights = np.zeros((4, 2))
    weights[0, 0] = 1.0
    with pytest.raises(EstimateError, match="no released table holds a x c together"):
        noisy()[2].query(("a", "c"), weights)


def test_draws_of_an_unmeasured_marginal_are_refused() -> None:
    with pytest.raises(EstimateError, match="a x c together"):
        noisy()[2].draws(("a", "c"), 3, streams(0))


def test_a_cell_of_a_lone_table_has_the_closed_half_width_of_its_noise() -> None:
    asked = inquiry([7], [("a",)])
    fit = fit_counts((release(asked, {("a",): np.arange(7)}, {("a",): 64.0}),))
    error = fit.query(("a",), np.eye(7)[3])[1]
    noise = Noise(law=NoiseLaw.DISCRETE_LAPLACE, scale=64.0)
    assert int(error.half_width(0.95) + 1e-6) == noise.half_width(0.95)


def test_a_gaussian_cell_of_a_lone_table_has_the_whole_half_width_of_its_noise() -> None:
    # 1.96 * 0.5 would leave no room for an error of 1, which happens in one of five releases
    asked = inquiry([7], [("a",)], rho="10", noise="discrete-gaussian")
    fit = fit_counts((release(asked, {("a",): np.arange(7)}, {("a",): 0.5}),))
    assert fit.query(("a",), np.eye(7)[3])[1].half_width(0.95) >= 1 - 1e-6


# --- draws ---------------------------------------------------------------------------------
def test_draws_have_the_shape_of_the_marginal() -> None:
    assert noisy()[2].draws(("a", "b"), 5, streams(0)).shape == (5, 4, 3)


def test_draws_of_the_total_are_a_vector() -> None:
    assert noisy()[2].draws((), 5, streams(0)).shape == (5,)


def test_draws_have_the_mean_of_the_estimate() -> None:
    # 40,000 draws of 12 cells: beyond 6 s.d. once in 40 million runs
    fit = noisy()[2]
    drawn = fit.draws(("a", "b"), 40_000, streams(4))
    sd = fit.query(("a", "b"), np.eye(12)[0].reshape(4, 3))[1].sd
    assert np.abs(drawn.mean(axis=0) - fit.marginal(("a", "b"))).max() < 6 * sd / 200


def test_draws_have_the_covariance_of_the_estimate() -> None:
    # s.d. of an empirical covariance is below sqrt(2 / 40,000) variances: 6 of them are 4.3 %
    fit = noisy()[2]
    drawn = fit.draws(("a", "b"), 40_000, streams(4)).reshape(40_000, 12)
    errors = [fit.query(("a", "b"), row.reshape(4, 3))[1] for row in np.eye(12)]
    v = np.concatenate([np.full(a.size, noise.variance) for a, noise, _ in errors[0].terms])
    weights = np.stack([flat(error) for error in errors])
    exact = (weights * v) @ weights.T
    assert np.abs(np.cov(drawn.T) - exact).max() < 0.043 * exact.max()


def test_the_same_seed_gives_the_same_draws() -> None:
    fit = noisy()[2]
    one, other = (fit.draws(("b",), 4, streams(8)) for _ in range(2))
    assert np.array_equal(one, other)


def test_a_further_axis_moves_no_draw_of_the_total() -> None:
    fit = noisy()[2]
    total = fit.draws((), 4, streams(3))
    assert fit.draws(("a",), 4, streams(3)).sum(axis=1) == pytest.approx(total)
