"""The class of several retailers, end to end from releases with sketches.

Seeded. "Found again" is within 4 standard deviations of the stated error: over all seeds a false
alarm in 16,000 per figure. Coverage of the intervals is in `simulation/test_combine.py`.
"""

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from dpnotice import beta, estimate_class
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.overlap.linkage import Linkage
from dpnotice.analyst.overlap.propensity import MODEL
from dpnotice.errors import EstimateError, ReleaseError
from dpnotice.layout import NoisyTable
from dpnotice.release import Release
from made.sketched import asking, regions, sketched_releases, spread

SHARES = np.outer([0.5, 0.3, 0.15, 0.05], [0.6, 0.35, 0.05])
BLOCKS = {"blocks": "state", "expected_by": {"CA": 5000, "NY": 3000, "TX": 1500, "unknown": 500}}
LAYOUT = pytest.mark.parametrize("sketch", [{}, BLOCKS], ids=["one block", "states"])
TOLD = "taking every key for one person"


def truth(k: int = 3, each: int = 8000) -> Any:
    return spread(regions(each, k, "mid"), SHARES)


@cache
def answers(k: int = 3, *, blocks: bool = False, linked: float = 1.0) -> tuple[Release, ...]:
    asked = asking(epsilon="2", sketch=BLOCKS if blocks else {})
    rng = np.random.default_rng([7, k, blocks])
    return tuple(sketched_releases(asked, truth(k), rng, linked=linked))


def many(number: int = 6) -> Any:
    """People at exactly each set of many retailers."""
    by_size = {1: 900, 2: 200, 3: 50, 4: 20}
    people = [by_size.get(mask.bit_count(), 5) for mask in range(1, 2**number)]
    return spread(people, SHARES)


@cache
def six() -> tuple[Release, ...]:
    asked = asking(epsilon="4", expected=5000)
    return tuple(sketched_releases(asked, many(), np.random.default_rng(2)))


def sd(members: ClassEstimate) -> float:
    ((_, error),) = [source.products({})[0] for source in members.known.sources]
    return float(np.sqrt(error.variance))


def found(members: ClassEstimate, persons: float) -> bool:
    point = members.size().estimate
    return point is not None and bool(abs(point - persons) < 4 * sd(members))


def ends(estimate: Any) -> tuple[float, float]:
    return estimate.lower, estimate.upper


# --- a point -------------------------------------------------------------------------------
@pytest.mark.parametrize("k", [2, 3, 4])
def test_sketches_tell_the_number_of_persons(k: int) -> None:
    assert found(estimate_class(answers(k)), truth(k).sum())


def test_five_sketches_are_solved_together() -> None:
    told = sketched_releases(asking(epsilon="2"), many(5), np.random.default_rng(6))
    assert found(estimate_class(told), many(5).sum())


def test_blocks_tell_the_number_of_persons() -> None:
    assert found(estimate_class(answers(blocks=True)), truth().sum())


def test_retailers_may_flip_at_different_losses() -> None:
    rng = np.random.default_rng(3)
    told = sketched_releases(asking(), truth(), rng, epsilons=("1", "4", "2"))
    assert found(estimate_class(told), truth().sum())


def test_buyers_without_a_key_are_counted() -> None:
    told = sketched_releases(asking(epsilon="2"), truth(), np.random.default_rng(4), keyed=0.7)
    members = estimate_class(told)
    assert found(members, truth().sum())
    assert any("a buyer has a key" in line for line in members.assumptions)


def test_the_order_of_releases_does_not_matter() -> None:
    one, other = (estimate_class(told).size() for told in (answers(), answers()[::-1]))
    assert one == other


def test_the_point_is_far_narrower_than_the_bounds() -> None:
    members = estimate_class(answers())
    told, open_ = members.size(), members.bounds()
    assert 20 * (told.upper - told.lower) < open_.upper - open_.lower


@LAYOUT
def test_cells_of_persons_add_up_to_the_size(sketch: Any) -> None:
    members = estimate_class(answers(blocks=bool(sketch)))
    for names in (("state",), ("age",), ("state", "age")):
        assert members.by(*names)["estimate"].sum() == pytest.approx(members.size().estimate)


def test_shares_of_persons_add_up_to_one() -> None:
    members = estimate_class(answers())
    shares = [members.share(state=level).estimate for level in members.axes["state"].levels]
    assert sum(each for each in shares if each is not None) == pytest.approx(1.0)


@LAYOUT
def test_pairs_are_found_again(sketch: Any) -> None:
    table = estimate_class(answers(blocks=bool(sketch))).overlap()
    people = truth().reshape(7, -1).sum(axis=1)
    for row, mask in zip(range(3, 7), (3, 5, 6, 7), strict=True):
        persons = sum(n for i, n in enumerate(people, start=1) if i & mask == mask)
        half = (table["upper"][row] - table["lower"][row]) / 2
        assert abs(table["estimate"][row] - persons) < 4 / 1.96 * half


# --- what is said --------------------------------------------------------------------------
def test_the_statement_says_that_every_key_is_taken_for_one_person() -> None:
    assert TOLD in estimate_class(answers()).statement()


def test_the_statement_has_the_bounds_of_the_counts_beside_the_point() -> None:
    members = estimate_class(answers())
    lower, upper = ends(members.bounds())
    assert f"leave anything from {lower:,.0f} to {upper:,.0f} known buyers" in members.statement()


def test_the_summary_has_the_bounds_beside_the_size() -> None:
    table = estimate_class(answers()).summary()
    assert table["quantity"][:2].tolist() == ["number of known buyers"] * 2
    assert np.isfinite(table["estimate"][0])
    assert np.isnan(table["estimate"][1])


def test_the_cost_of_counts_and_sketch_together_is_said() -> None:
    assert "r0: epsilon 2.2" in estimate_class(answers()).assumptions[0]


# --- bounds --------------------------------------------------------------------------------
def test_bounds_when_asked_for_leave_the_sketches_aside() -> None:
    aside, told = estimate_class(answers(), overlap="bounds"), estimate_class(answers())
    assert aside.size() == aside.bounds() == told.bounds()
    assert TOLD not in aside.statement()


@pytest.mark.parametrize(
    "knows",
    [{"linkage": 0.7}, {"overlap": "independent", "population": 50_000}, {"outside": 0.3}],
    ids=["linkage", "independence", "outside"],
)
def test_bounds_are_those_of_the_counts_whatever_is_stated(knows: Any) -> None:
    assert estimate_class(answers(), **knows).bounds() == estimate_class(answers()).bounds()


def test_bounds_of_many_are_those_of_the_counts() -> None:
    assert estimate_class(six()).bounds() == estimate_class(six(), overlap="bounds").size()


# --- independence --------------------------------------------------------------------------
def test_independence_gives_the_product_of_shares() -> None:
    persons = 50_000
    members = estimate_class(answers(), overlap="independent", population=persons)
    sizes = members.by("retailer")["estimate"]
    expected = persons * (1 - np.prod(1 - sizes / persons))
    assert members.size().estimate == pytest.approx(expected)


def test_independence_by_state_takes_each_state_by_itself() -> None:
    frame = pd.DataFrame({"state": ["CA", "NY", "TX", "unknown"], "persons": [9e4, 4e4, 2e4, 9e3]})
    members = estimate_class(answers(), overlap="independent", population=frame)
    parts = [r.marginal(("state",)) / frame["persons"].to_numpy() for r in members.retailers]
    expected = frame["persons"].to_numpy() * (1 - np.prod([1 - p for p in parts], axis=0))
    assert members.by("state")["estimate"].to_numpy() == pytest.approx(expected)


def test_independence_is_said() -> None:
    members = estimate_class(answers(), overlap="independent", population=50_000)
    assert "taking the buyers of different retailers as independent" in members.statement()
    assert any(line.startswith("independence:") for line in members.assumptions)
    assert TOLD not in members.statement()


@pytest.mark.parametrize("knows", [{"overlap": "independent"}, {"population": 50_000}])
def test_independence_and_a_population_go_together(knows: Any) -> None:
    with pytest.raises(EstimateError, match='population goes with overlap="independent"'):
        estimate_class(answers(), **knows)


def test_a_population_smaller_than_a_retailer_is_refused() -> None:
    with pytest.raises(EstimateError, match="fewer persons than a retailer has buyers"):
        estimate_class(answers(), overlap="independent", population=5_000)


@pytest.mark.parametrize("overlap", ["sketch", "none", True])
def test_another_overlap_is_refused_with_those_there_are(overlap: Any) -> None:
    with pytest.raises(EstimateError, match="bounds or independent"):
        estimate_class(answers(), overlap=overlap)


# --- linkage -------------------------------------------------------------------------------
def test_lost_links_are_given_back_by_their_share() -> None:
    lost = answers(linked=0.8)
    assert found(estimate_class(lost, linkage=0.8), truth().sum())
    assert not found(estimate_class(lost), truth().sum())  # what is given back is seen


def test_a_linkage_prior_widens_the_interval() -> None:
    sure, unsure = (estimate_class(answers(), linkage=k) for k in (0.9, beta(mean=0.9, sd=0.04)))
    assert sd(unsure) > 1.3 * sd(sure)
    (one, other) = (members.size() for members in (sure, unsure))
    assert other.upper - other.lower > 1.3 * (one.upper - one.lower)


def test_linkage_may_be_stated_by_retailer() -> None:
    by_name = estimate_class(answers(), linkage={"r0": 0.9, "r1": 0.9, "r2": 0.9})
    assert by_name.size() == estimate_class(answers(), linkage=0.9).size()


def test_a_statement_of_linkage_is_said() -> None:
    members = estimate_class(answers(), linkage=beta(mean=0.9, sd=0.04))
    assert "with the stated share of keys that agree" in members.statement()
    assert TOLD not in members.statement()
    assert any("key is the one that they usually give" in line for line in members.assumptions)


def test_linkage_of_a_retailer_without_a_sketch_is_refused() -> None:
    with pytest.raises(EstimateError, match="linkage is stated of ulta"):
        estimate_class(answers(), linkage={"ulta": 0.9})


def test_a_linkage_that_tells_nothing_is_refused() -> None:
    with pytest.raises(EstimateError, match="may fall below 20%"):
        estimate_class(answers(), linkage=0.1).size()


# --- some retailers without a sketch -------------------------------------------------------
@cache
def mixed() -> ClassEstimate:
    """Three with a sketch and a fourth without."""
    rng = np.random.default_rng(9)
    epsilons = ("2", "2", "2", "")
    return estimate_class(sketched_releases(asking(), truth(4), rng, epsilons=epsilons))


def test_one_retailer_without_a_sketch_leaves_bounds() -> None:
    assert mixed().size().estimate is None
    lower, upper = ends(mixed().size())
    assert lower <= truth(4).sum() <= upper


def test_the_joint_persons_are_one_source_beside_the_others() -> None:
    names = [source.retailer for source in mixed().known.sources]
    assert names == ["r0 + r1 + r2", "r3"]


def test_sketches_of_some_narrow_the_bounds() -> None:
    told, counts = mixed().size(), mixed().bounds()
    assert counts.lower < told.lower < told.upper < counts.upper


def test_bounds_beside_joint_persons_are_their_number_and_its_sum_with_the_rest() -> None:
    (joint, _), (rest, _) = (source.products({})[0] for source in mixed().known.sources)
    lower, upper = ends(mixed().size())
    assert lower < joint < 1.04 * lower
    assert joint + rest < upper < 1.04 * (joint + rest)


def test_bounds_that_rest_on_sketches_say_so() -> None:
    assert TOLD in mixed().statement()


def test_draws_of_joint_persons_and_the_rest_are_pairs() -> None:
    assert mixed().draws.shape == (20_000, 2)
    low, high = mixed().draws.mean(axis=0)
    assert low < truth(4).sum() < high


@cache
def beside_a_tiny_one() -> ClassEstimate:
    """Two of 8,000 and one of 40, who are lost in the flips."""
    people = spread([6000, 6000, 2000, 10, 10, 10, 10], SHARES)
    told = sketched_releases(asking(epsilon="1"), people, np.random.default_rng(5))
    return estimate_class(told)


def test_a_tiny_retailer_is_left_out_of_the_sketches() -> None:
    members = beside_a_tiny_one()
    assert [source.retailer for source in members.known.sources] == ["r0 + r1", "r2"]
    assert any("r2: too few buyers" in line for line in members.assumptions)


def test_a_tiny_retailer_widens_the_interval_by_no_more_than_its_buyers() -> None:
    members = beside_a_tiny_one()
    size = members.size()
    (joint, error), (rest, noise) = (s.products({})[0] for s in members.known.sources)
    assert size.lower <= 14_040 <= size.upper
    most = rest + 2 * error.half_width(0.975) + 2 * noise.half_width(0.975)
    assert size.upper - size.lower < most
    assert size.lower < joint < size.upper


# --- more than five ------------------------------------------------------------------------
def test_more_than_five_sketches_narrow_the_bounds_and_hold_the_truth() -> None:
    members = estimate_class(six())
    told, counts = members.size(), members.bounds()
    assert counts.lower < told.lower <= many().sum() <= told.upper < counts.upper
    assert told.estimate is None
    assert told.upper - told.lower < 0.3 * (counts.upper - counts.lower)


def test_the_ladder_of_many_goes_from_wide_to_narrow() -> None:
    table = estimate_class(six()).ladder()
    widths = (table["upper"] - table["lower"]).tolist()
    assert widths == sorted(widths, reverse=True)
    assert len(table) == 4


def test_bounds_on_the_ladder_of_many_hold_the_truth() -> None:
    table = estimate_class(six()).ladder()
    assert (table["lower"][:3] <= many().sum()).all()
    assert (table["upper"][:3] >= many().sum()).all()


def test_only_the_rung_of_the_model_has_a_point_and_it_is_marked() -> None:
    table = estimate_class(six()).ladder()
    assert table["estimate"].notna().tolist() == [False, False, False, True]
    assert table["rests_on"].tolist()[-1] == MODEL
    assert MODEL.startswith("model-based")


def test_the_size_of_many_is_that_of_the_best_bounds() -> None:
    members = estimate_class(six())
    (rung,) = [row for row in members.ladder().to_dict("records") if "best" in row["rung"]]
    assert members.size().lower == np.ceil(rung["lower"])
    assert members.size().upper == np.floor(rung["upper"])


def test_of_many_only_pairs_are_listed() -> None:
    table = estimate_class(six()).overlap()
    assert sorted(set(table["size"])) == [1, 2]
    assert table["estimate"].notna().all()


def test_lost_links_of_many_lower_their_bounds() -> None:
    """Links that were lost hide overlap: more of it, fewer persons."""
    all_, some = (estimate_class(six(), linkage=share).size() for share in (1.0, 0.85))
    assert some.upper < all_.upper


def test_one_of_many_without_a_sketch_adds_its_buyers() -> None:
    epsilons = ("4",) * 6 + ("",)
    rng = np.random.default_rng(8)
    told = sketched_releases(asking(expected=6000), many(7), rng, epsilons=epsilons)
    lower, upper = ends(estimate_class(told).size())
    assert lower <= many(7).sum() <= upper
    assert len(estimate_class(told).ladder()) == 3  # the model is of all retailers, or not given


# --- several inquiries ---------------------------------------------------------------------
def twice() -> list[Release]:
    """The first retailer answers a second inquiry of the same class, without a sketch."""
    rng = np.random.default_rng(11)
    more = sketched_releases(asking(counts="1"), truth(), rng, epsilons=("", "", ""))
    return [*answers(), more[0]]


def test_a_second_inquiry_without_a_sketch_keeps_the_sketch_of_the_first() -> None:
    members = estimate_class(twice())
    assert len(members.retailers) == 3
    assert found(members, truth().sum())


def test_a_second_inquiry_tells_more_of_its_retailers_buyers() -> None:
    rows = [estimate_class(told).by("retailer") for told in (answers(), twice())]
    first, second = ((table["upper"] - table["lower"]).tolist() for table in rows)
    assert second[0] < 0.5 * first[0]
    assert second[1:] == first[1:]


def test_sketches_that_do_not_fit_together_are_refused() -> None:
    other = sketched_releases(asking(expected=99_000), truth(), np.random.default_rng(1))[1]
    with pytest.raises(ReleaseError, match="SKETCH_MISMATCH"):
        estimate_class([answers()[0], other])


# --- contradictions ------------------------------------------------------------------------
def doubled(release: Release) -> Release:
    """Double every count, and leave the map."""
    tables = {
        of: NoisyTable(counts=2 * table.counts, noise=table.noise)
        for of, table in release.tables.items()
    }
    return replace(release, tables=tables)


def test_a_map_that_contradicts_its_counts_is_flagged() -> None:
    members = estimate_class([doubled(answers()[0]), *answers()[1:]])
    assert any(line.startswith("contradiction: r0: its map shows") for line in members.assumptions)
    assert "Warning: r0: its map shows" in members.statement()
    assert "r1: its map" not in members.statement()


def test_honest_answers_are_not_flagged() -> None:
    members = estimate_class(answers())
    assert "Warning" not in members.statement()
    assert not any("contradiction" in line for line in members.assumptions)


# --- where the error comes from ------------------------------------------------------------
@LAYOUT
@pytest.mark.parametrize("linkage", [None, beta(mean=0.9, sd=0.04)], ids=["silent", "prior"])
@pytest.mark.parametrize("where", [{}, {"state": "CA"}, {"age": "18-34"}], ids=str)
def test_an_explanation_adds_up_to_the_variance_of_the_interval(
    sketch: Any, linkage: Any, where: dict[str, str]
) -> None:
    members = estimate_class(answers(blocks=bool(sketch)), linkage=linkage)
    table, estimate = members.explain(**where), members.count(**where)
    half = 1.959964 * np.sqrt((table["sd"] ** 2).sum())
    assert (estimate.upper - estimate.lower) / 2 == pytest.approx(half, abs=1.5, rel=0.01)
    assert table["share_of_variance"].sum() == pytest.approx(1.0)


def test_an_explanation_names_sketches_and_links() -> None:
    table = estimate_class(answers()).explain()
    assert table["table"].tolist()[-2:] == ["sketches", "links and keys"]
    assert table["retailer"].tolist()[-2:] == ["r0 + r1 + r2"] * 2


def test_a_linkage_prior_shows_in_its_own_row_alone() -> None:
    silent, prior = (
        estimate_class(answers(), linkage=k).explain().set_index("table")["sd"].iloc[-2:]
        for k in (0.9, beta(mean=0.9, sd=0.04))
    )
    assert prior["links and keys"] > 5 * silent["links and keys"]
    assert prior["sketches"] == pytest.approx(silent["sketches"], rel=0.02)


def test_members_beyond_the_known_have_a_row_beside_the_sketches() -> None:
    members = estimate_class(answers(), outside=beta(mean=0.2, sd=0.05))
    table = members.explain()
    assert table["table"].tolist()[-1] == "outside"
    assert table["share_of_variance"].sum() == pytest.approx(1.0)


# --- faults that these tests see -----------------------------------------------------------
def test_lost_links_that_are_stated_and_left_alone_would_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fault: the statement is kept for the sentence, and its factor is 1."""
    monkeypatch.setattr(
        Linkage, "factors", lambda _self, _names, member, *_: np.ones((1, member.shape[1]))
    )
    assert not found(estimate_class(answers(linked=0.8), linkage=0.8), truth().sum())
