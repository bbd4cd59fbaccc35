"""Exact where maps and counts are exact; else seeded, with the chance of a false alarm beside it.

The regions that keys show are made person by person in `made.joined`, by another way than the code.
"""

from dataclasses import replace
from itertools import combinations
from typing import Any

import numpy as np
import pytest

from dpnotice.analyst.counts import fit_counts
from dpnotice.analyst.overlap import joint as module
from dpnotice.analyst.overlap.joint import JointCounts
from dpnotice.analyst.overlap.linkage import Linkage
from dpnotice.analyst.overlap.regions import containing, membership
from dpnotice.analyst.overlap.sketches import fit_overlap, independent_overlap
from dpnotice.analyst.rates import beta
from dpnotice.bitmap import Sketch
from dpnotice.errors import EstimateError
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from made.joined import BLOCKS, as_seen, exact_joint, found, streams
from made.releases import release
from made.sketched import asking, regions, sketched_releases

Floats = Any
Names = tuple[str, ...]
LINKED, KEYED = (0.8, 0.9, 0.95, 0.75), (0.5, 0.8, 0.9, 0.4)
EVERY: list[Names] = [(), ("state",), ("age",), ("state", "age")]
LAYOUT = pytest.mark.parametrize("sketch", [{}, BLOCKS], ids=["one block", "states"])
NUMBERS = pytest.mark.parametrize("number", [2, 3, 4])
DRAWS = 4000
RELATIVE = 5 / np.sqrt(2 * DRAWS)
"""Five standard errors of a normal law's s.d.: a false alarm in 10^6."""


def quiet(sketch: Any) -> Inquiry:
    return asking(counts="20", sketch=sketch)


def truth(number: int, *, alike: bool = False) -> Floats:
    """(R, states, ages) persons in thousands; each region alike composed within states, or not."""
    rng = np.random.default_rng(number)
    if not alike:
        return rng.integers(1, 9, (2**number - 1, 4, 3)) * 20_000
    return rng.integers(1, 9, (2**number - 1, 4, 1)) * np.array([1, 2, 2]) * 20_000


def noisy(
    *,
    epsilon: str = "1",
    number: int = 3,
    sketch: Any = BLOCKS,
    nobody: bool = False,
    linkage: Linkage | None = None,
    **drawn: Any,
) -> JointCounts:
    """Simulated releases of some thousand buyers each, fitted."""
    people = np.zeros((2**number - 1, 4, 3), dtype=np.int64)
    people[:, : 2 if nobody else 4, :2] = regions(600, number, "mid")[:, np.newaxis, np.newaxis]
    asked = asking(epsilon=epsilon, sketch=sketch)
    rng = np.random.default_rng(7)
    releases = found(sketched_releases(asked, people, rng, **drawn))
    overlap = fit_overlap(releases)
    assert overlap is not None
    counts = tuple(each.counts for each in releases)
    return JointCounts(counts=counts, overlap=overlap, linkage=linkage or Linkage())


def regions_drawn(joint: JointCounts, names: Names, number: int, stream: Any) -> Floats:
    """(number, R, *sizes), regions in their order."""
    found = dict(joint.each_region(names, number, stream))
    return np.stack([found[region] for region in range(len(found))], axis=1)


def whole(joint: JointCounts, names: Names) -> Floats:
    return np.ones([len(joint.axes[name]) for name in names])


# --- all links, all keys ---------------------------------------------------------------------
@LAYOUT
@NUMBERS
def test_with_every_key_the_persons_are_the_sum_of_the_regions(number: int, sketch: Any) -> None:
    people = truth(number)
    joint = exact_joint(quiet(sketch), people)
    assert joint.query((), np.array(1.0))[0] == pytest.approx(people.sum())
    assert joint.products({})[0][0] == pytest.approx(joint.overlap.estimate.sum())


@NUMBERS
def test_the_persons_of_a_block_are_exact_whatever_its_composition(number: int) -> None:
    people = truth(number)
    joint = exact_joint(quiet(BLOCKS), people)
    assert joint.marginal(("state",)) == pytest.approx(people.sum(axis=(0, 2)))


@NUMBERS
def test_below_the_block_cells_are_exact_where_compositions_are_alike(number: int) -> None:
    people = truth(number, alike=True)
    joint = exact_joint(quiet(BLOCKS), people)
    assert joint.marginal(("state", "age")) == pytest.approx(people.sum(axis=0))


# --- lost links and missing keys: the triangular matrix of another hand ------------------------
@LAYOUT
@NUMBERS
def test_persons_are_found_again_behind_lost_links_and_missing_keys(
    number: int, sketch: Any
) -> None:
    people = truth(number)
    kappa = {f"r{i}": LINKED[i] for i in range(number)}
    joint = exact_joint(
        quiet(sketch), people, linked=LINKED, keyed=KEYED, linkage=Linkage(kappa=kappa)
    )
    several = membership(number).sum(axis=0) > 1
    by_block = people.sum(axis=2).T if sketch else people.sum(axis=(1, 2))[np.newaxis]
    assert joint.shared == pytest.approx(by_block[:, several], rel=1e-6)
    assert joint.query((), np.array(1.0))[0] == pytest.approx(people.sum(), rel=1e-6)
    if sketch:
        drawn = regions_drawn(joint, ("state",), 5, streams(1)).mean(axis=0)
        assert drawn == pytest.approx(people.sum(axis=2), rel=1e-4)


def test_without_a_statement_lost_links_are_counted_as_persons() -> None:
    people = truth(3)
    joint = exact_joint(quiet(BLOCKS), people, linked=LINKED)
    seen = as_seen(people.sum(axis=(1, 2)), LINKED[:3], [1.0] * 3)
    assert joint.products({})[0][0] == pytest.approx(seen.sum())


def test_known_to_all_of_some_is_the_sum_of_the_regions_that_hold_them() -> None:
    people, number = truth(4), 4
    kappa = {f"r{i}": LINKED[i] for i in range(number)}
    joint = exact_joint(
        quiet(BLOCKS), people, linked=LINKED, keyed=KEYED, linkage=Linkage(kappa=kappa)
    )
    total = people.sum(axis=(1, 2))
    for size in (2, 3, 4):
        for members in combinations(range(number), size):
            mask = sum(1 << i for i in members)
            expected = containing(number)[mask] @ total
            assert joint.known_to(members)[0] == pytest.approx(expected, rel=1e-6)


# --- sums ------------------------------------------------------------------------------------
@LAYOUT
@pytest.mark.parametrize("nobody", [False, True], ids=["everywhere", "nobody in two blocks"])
def test_marginals_add_up_to_coarser_marginals(sketch: Any, nobody: bool) -> None:  # noqa: FBT001 -- a case
    """Once a block of nobody took its shared persons along, or got them a hundred times."""
    joint = noisy(sketch=sketch, nobody=nobody)
    fine = joint.marginal(("state", "age"))
    assert fine.sum(axis=1) == pytest.approx(joint.marginal(("state",)), abs=1e-6)
    assert fine.sum() == pytest.approx(float(joint.marginal(())), abs=1e-6)
    assert joint.marginal(("age",)).sum() == pytest.approx(float(joint.marginal(())), abs=1e-6)


@LAYOUT
@pytest.mark.parametrize("names", EVERY)
def test_a_query_is_the_weighted_sum_of_its_marginal(names: Names, sketch: Any) -> None:
    joint = noisy(sketch=sketch, nobody=True)
    weights = np.random.default_rng(2).random(whole(joint, names).shape)
    value = float(np.sum(weights * joint.marginal(names)))
    assert joint.query(names, weights)[0] == pytest.approx(value)


@pytest.mark.parametrize("names", EVERY)
def test_everybody_is_one_number_with_one_error_by_any_axes(names: Names) -> None:
    joint = noisy(nobody=True)
    value, error = joint.query(names, whole(joint, names))
    total, total_error = joint.query((), np.array(1.0))
    assert value == pytest.approx(total)
    assert error.sd == pytest.approx(total_error.sd)


def test_blocks_add_up_to_the_total_with_their_errors() -> None:
    joint = noisy()
    queries = [joint.query(("state",), row) for row in np.eye(4)]
    total, error = joint.query((), np.array(1.0))
    assert sum(value for value, _ in queries) == pytest.approx(total)
    joined = sum(one.covariance(other) for _, one in queries for _, other in queries)
    assert joined == pytest.approx(error.variance)


def test_the_errors_of_two_queries_are_aligned() -> None:
    joint = noisy()
    one, two = (joint.query(("state",), row)[1] for row in np.eye(4)[:2])
    both = joint.query(("state",), np.eye(4)[:2].sum(axis=0))[1]
    assert one.variance + two.variance + 2 * one.covariance(two) == pytest.approx(both.variance)


# --- draws -----------------------------------------------------------------------------------
@LAYOUT
def test_in_every_draw_the_regions_with_a_retailer_are_its_buyers(sketch: Any) -> None:
    joint = noisy(sketch=sketch, linkage=Linkage(kappa=beta(mean=0.9, sd=0.03)))
    for names in EVERY:
        drawn = regions_drawn(joint, names, 20, streams(3))
        for own, counts in enumerate(joint.counts):
            held = membership(3)[own] > 0
            buyers = counts.draws(names, 20, streams(3))
            assert drawn[:, held].sum(axis=1) == pytest.approx(buyers, abs=1e-6)


@LAYOUT
@pytest.mark.parametrize("names", EVERY)
def test_draws_have_the_mean_and_error_of_queries(names: Names, sketch: Any) -> None:
    """Five standard errors, and 3 % for what is of second order; a false alarm in 10^6."""
    joint = noisy(sketch=sketch, nobody=True)
    drawn = joint.draws(names, DRAWS, streams(4)).reshape(DRAWS, -1)
    for place, row in enumerate(np.eye(drawn.shape[1])):
        value, error = joint.query(names, row.reshape(whole(joint, names).shape))
        assert drawn[:, place].mean() == pytest.approx(value, abs=5 * error.sd / np.sqrt(DRAWS))
        if len(names) < 2 or place < 6:  # cells of a block of nobody: far from first order
            assert drawn[:, place].std() == pytest.approx(error.sd, rel=RELATIVE + 0.03)


@pytest.mark.parametrize("epsilon", ["1", "8"])
def test_draws_and_queries_agree_where_links_are_made_up_for(epsilon: str) -> None:
    """Errors of maps, and of counts that joined, grow by the factors; a false alarm in 10^6."""
    joint = noisy(epsilon=epsilon, linkage=Linkage(kappa=0.8), epsilons=(epsilon,) * 3)
    value, error = joint.products({})[0]
    drawn = joint.draws((), DRAWS, streams(6))
    assert drawn.mean() == pytest.approx(value, abs=5 * error.sd / np.sqrt(DRAWS))
    allowed = 0.03 if epsilon == "1" else 0.12  # keyed shares err apart from counts in a query
    assert drawn.std() == pytest.approx(error.sd, rel=RELATIVE + allowed)


def test_errors_of_counts_that_joined_grow_by_the_factors() -> None:
    """Maps without error, and a gain so large that it makes all of the error."""
    exact = exact_joint(quiet({}), truth(3), linkage=Linkage(kappa=0.95))
    gain = np.random.default_rng(1).uniform(20, 60, (1, 7, 3))
    joint = replace(exact, overlap=replace(exact.overlap, gain=gain))
    drawn = regions_drawn(joint, (), DRAWS, streams(6))
    error = joint.products({})[0][1]
    assert drawn.sum(axis=1).std() == pytest.approx(error.sd, rel=RELATIVE + 0.03)
    assert (drawn @ containing(3)[3]).std() == pytest.approx(
        joint.known_to((0, 1))[1], rel=RELATIVE + 0.03
    )


def test_draws_and_queries_agree_on_the_error_of_a_linkage_prior() -> None:
    exact = exact_joint(quiet({}), truth(3), linkage=Linkage(kappa=beta(mean=0.95, sd=0.005)))
    drawn = exact.draws((), DRAWS, streams(6))
    assert drawn.std() == pytest.approx(exact.products({})[0][1].sd, rel=RELATIVE + 0.03)


def test_draws_of_a_block_of_nobody_are_no_wider_than_its_map() -> None:
    """The s.d. was once 26 times as large: shared persons were multiplied by noise."""
    joint = noisy(nobody=True)
    drawn = joint.draws(("state",), DRAWS, streams(4)).std(axis=0)
    errors = [joint.query(("state",), row)[1].sd for row in np.eye(4)]
    assert drawn == pytest.approx(errors, rel=RELATIVE + 0.03)


def test_no_draw_shares_more_buyers_than_a_retailer_has() -> None:
    """All of r1 are buyers of r0: half of the errors would put more persons at both than r1 has."""
    people = np.zeros((3, 4, 3), dtype=np.int64)
    people[[0, 2], 0, 0] = 7000, 3000
    releases = found(sketched_releases(asking(), people, np.random.default_rng(3)))
    overlap = fit_overlap(releases)
    assert overlap is not None
    counts = tuple(each.counts for each in releases)
    joint = JointCounts(counts=counts, overlap=overlap, linkage=Linkage())
    drawn = dict(joint.each_region((), DRAWS, streams(1)))
    assert drawn[1].min() > -1e-9  # at r1 alone
    assert (drawn[1] < 1e-9).mean() > 0.2
    assert drawn[2].std() > 0


def test_known_to_agrees_with_the_draws_of_regions() -> None:
    """Five standard errors, and 3 %; a false alarm in 10^6."""
    joint = noisy(epsilon="2", linkage=Linkage(kappa=beta(mean=0.9, sd=0.02)))
    drawn = regions_drawn(joint, (), DRAWS, streams(5))
    for members in ((0, 1), (0, 2), (1, 2), (0, 1, 2)):
        value, sd = joint.known_to(members)
        sums = drawn @ containing(3)[sum(1 << i for i in members)]
        assert sums.mean() == pytest.approx(value, abs=5 * sd / np.sqrt(DRAWS) + 0.002 * value)
        assert sums.std() == pytest.approx(sd, rel=RELATIVE + 0.03)


def test_draws_of_cells_have_the_sd_that_is_quoted() -> None:
    joint = noisy()
    value, errors = joint.cells(("state",))
    assert value == pytest.approx(joint.marginal(("state",)))
    expected = [joint.query(("state",), row)[1].half_width(0.95) for row in np.eye(4)]
    assert errors.half_width(0.95) == pytest.approx(expected, rel=5 / np.sqrt(10_000) + 0.03)


# --- error of the linkage prior, and of the losses ------------------------------------------------
def test_a_linkage_prior_widens_the_interval_by_its_own_share() -> None:
    """Two retailers with a share each: the s.d. of 1 / (kappa_0 kappa_1) times the pair seen."""
    law, people = beta(mean=0.9, sd=0.03), truth(2)
    apart = Linkage(kappa={"r0": law, "r1": law})
    joint = exact_joint(quiet({}), people, linkage=apart)
    plain = exact_joint(quiet({}), people)
    inverse = (law.a + law.b - 1) / (law.a - 1)
    square = inverse * (law.a + law.b - 2) / (law.a - 2)
    added = people[2].sum() ** 2 * (square**2 - inverse**4)
    variance = joint.products({})[0][1].variance - plain.products({})[0][1].variance
    assert variance == pytest.approx(added, rel=0.05)
    assert joint.known_to((0, 1))[1] == pytest.approx(np.sqrt(added), rel=0.025)


def test_one_law_for_all_is_one_share_for_all() -> None:
    """The s.d. of 1 / kappa^2 times the pair seen."""
    law, people = beta(mean=0.9, sd=0.03), truth(2)
    joint = exact_joint(quiet({}), people, linkage=Linkage(kappa=law))
    moments = [
        np.prod([(law.a + law.b - i) / (law.a - i) for i in range(1, n + 1)]) for n in (2, 4)
    ]
    expected = people[2].sum() * np.sqrt(moments[1] - moments[0] ** 2)
    assert joint.known_to((0, 1))[1] == pytest.approx(expected, rel=0.025)


def test_a_state_whose_buyers_have_fewer_keys_is_told_by_its_own_share() -> None:
    people = truth(3, alike=True)
    joint = exact_joint(quiet(BLOCKS), people)
    kept = np.array([1.0, 0.5, 0.8, 0.25])  # of every state, at every retailer
    asked = quiet(BLOCKS)
    counts = tuple(fit_counts((fewer(asked, f"r{i}", people, i, kept),)) for i in range(3))
    seen = np.array(
        [as_seen(b, (1.0,) * 3, (k,) * 3) for b, k in zip(people.sum(2).T, kept, strict=True)]
    )
    told = replace(joint, counts=counts, overlap=replace(joint.overlap, estimate=seen))
    assert told.marginal(("state",)) == pytest.approx(people.sum(axis=(0, 2)), rel=1e-6)
    assert told.products({})[0][0] == pytest.approx(people.sum(), rel=1e-6)
    drawn = told.draws(("state",), 200, streams(1)).mean(axis=0)
    assert drawn == pytest.approx(people.sum(axis=(0, 2)), rel=1e-3)


def fewer(asked: Inquiry, name: str, people: Floats, place: int, kept: Floats) -> Release:
    """Exact counts of a retailer of whose buyers in each state a share has a key."""
    buyers = np.tensordot(membership(3)[place], people, 1)
    with_key = buyers * kept[:, np.newaxis]
    full = np.rint(np.stack([with_key, buyers - with_key], axis=-1)).astype(np.int64)
    axes = list(asked.table_axes)
    tables = {
        of: full.sum(axis=tuple(i for i, a in enumerate(axes) if a not in of))
        for of in asked.tables
    }
    assert asked.sketch is not None
    blank = Sketch(plan=asked.sketch, key_fingerprint="0" * 16, bits=bytes(asked.sketch.bytes))
    return release(asked, tables, 0.2, retailer=name, sketch=blank)


def test_a_fixed_share_of_links_widens_with_the_factor() -> None:
    plain, told = noisy(), noisy(linkage=Linkage(kappa=0.8))
    pair, sd = plain.known_to((0, 1))
    assert told.known_to((0, 1)) == pytest.approx((pair / 0.64, sd / 0.64))


def test_each_retailer_has_the_error_of_its_own_loss() -> None:
    joint = noisy(epsilons=("0.5", "4", "4"))
    errors = [joint.known_to(pair)[1] for pair in ((0, 1), (0, 2), (1, 2))]
    assert errors[0] == pytest.approx(errors[1], rel=0.1)
    assert errors[0] > 3 * errors[2]


def test_keys_that_few_have_widen_the_pair() -> None:
    assert noisy(keyed=0.5).known_to((0, 1))[1] > 2 * noisy().known_to((0, 1))[1]


# --- independence, words, refusals -----------------------------------------------------------
def test_independent_buyers_make_the_persons_of_a_product() -> None:
    counts = tuple(c for c in exact_joint(quiet({}), truth(3)).counts)
    sizes = np.array([float(c.marginal(())) for c in counts])
    population = 3 * sizes.sum()
    overlap = independent_overlap(counts, population, ())
    joint = JointCounts(counts=counts, overlap=overlap, linkage=Linkage())
    expected = population * (1 - np.prod(1 - sizes / population))
    assert joint.products({})[0][0] == pytest.approx(expected)
    assert joint.known_to((0, 2))[0] == pytest.approx(sizes[0] * sizes[2] / population)
    assert joint.rests_on[0].startswith("independence")


def test_independence_carries_the_error_of_its_counts() -> None:
    """d U / d n_i = prod over the others of 1 - n_j / P."""
    made = noisy(number=2)
    population = 20_000.0
    joint = JointCounts(
        counts=made.counts,
        overlap=independent_overlap(made.counts, population, ()),
        linkage=Linkage(),
    )
    sizes = [float(c.marginal(())) for c in made.counts]
    own = [c.products({})[0][1].variance for c in made.counts]
    slopes = [1 - sizes[1] / population, 1 - sizes[0] / population]
    expected = sum(s**2 * v for s, v in zip(slopes, own, strict=True))
    assert joint.products({})[0][1].variance == pytest.approx(expected)


def test_it_says_what_it_rests_on() -> None:
    some = noisy(keyed=0.5).rests_on
    assert exact_joint(quiet({}), truth(2)).rests_on == Linkage().assumptions
    assert some[0].startswith("one key per person")
    assert "% at r0" in some[1]
    assert "has a key" in some[1]


def test_an_axis_that_the_tables_do_not_hold_is_refused() -> None:
    asked = asking(tables=[{"of": []}, {"of": ["age"]}])
    people = np.full((3, 4, 3), 100)
    releases = found(sketched_releases(asked, people, np.random.default_rng(1)))
    overlap = fit_overlap(releases)
    assert overlap is not None
    counts = tuple(each.counts for each in releases)
    joint = JointCounts(counts=counts, overlap=overlap, linkage=Linkage())
    assert joint.products({})[0][0] == pytest.approx(joint.marginal(("age",)).sum())
    with pytest.raises(EstimateError, match="no released table holds state"):
        joint.query(("state",), np.ones(4))


# --- planted faults --------------------------------------------------------------------------
def test_a_composition_without_its_whole_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    def divided(value: Floats, buyers: Floats, away: tuple[int, ...], _least: Floats) -> Floats:
        return buyers / np.maximum(value.sum(axis=away, keepdims=True), 1.0)

    monkeypatch.setattr(module, "compositions", divided)
    with pytest.raises(AssertionError):
        test_draws_of_a_block_of_nobody_are_no_wider_than_its_map()


def test_one_factor_for_all_sets_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lost links do not thin pairs and triples alike."""
    joint = exact_joint(quiet({}), truth(3), linked=LINKED, linkage=Linkage(kappa=0.8))
    right = joint.known_to((0, 1, 2))[0]
    pairs_only = replace(joint)
    monkeypatch.setattr(Linkage, "factors", lambda *_: np.full((1, 4), 0.8**-2), raising=True)
    assert pairs_only.known_to((0, 1, 2))[0] == pytest.approx(right * 0.8)
