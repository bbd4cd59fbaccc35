import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dpnotice as dn
from dpnotice.analyst import reach_ladder
from dpnotice.analyst.dependence.duplications import Duplications
from dpnotice.analyst.media.drift import Drift
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.pair_bounds import SharpBounds
from dpnotice.analyst.plan import NoticePlan
from dpnotice.analyst.reach import ReachEstimate, estimate_reach
from dpnotice.analyst.reach_ladder import COLUMNS, PAIRS, SHARP, pair_rungs
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import EstimateError
from made.notices import by_state, steady
from made.reaching import CELLS, SKETCHED, direct, exactly, media, reached, release

BIG = dn.estimate_class([release(CELLS * 10_000)])
"""So many persons that the chance of realised reach is some 1e-5 wide."""
BIG_TWO = dn.estimate_class([release(CELLS * 10_000, retailer=r) for r in ("sephora", "ulta")])
CHANCE = 2e-4
RUNGS = ["margins", "pairs of vehicles", "pairs of vehicles, sharp", "modelled"]
MAILED = 75 / 110
"""Share of the class whose e-mail is known."""
shares = st.just(0.0) | st.floats(1e-6, 1)


def rungs(*notices: Any, members: ClassEstimate = BIG, **options: Any) -> dict[str, Any]:
    """The two ends of every rung."""
    return ends(reached(*notices, members=members, **{"draws": 50, **options}))


def ends(result: ReachEstimate, level: float = 0.95) -> dict[str, Any]:
    table = result.ladder(level)
    return dict(zip(table["rung"], zip(table["lower"], table["upper"], strict=True), strict=True))


def papers(*reach: Any) -> list[dn.Print]:
    return [media(share, f"v{number}") for number, share in enumerate(reach)]


def holds(outer: tuple[float, float], inner: tuple[float, float], slack: float = CHANCE) -> bool:
    return outer[0] <= inner[0] + slack and inner[1] <= outer[1] + slack


def near(low: float, high: float) -> Any:
    return pytest.approx((low, high), abs=CHANCE)


# --- what pairs say --------------------------------------------------------------------------
def test_three_independent_vehicles_lie_within_what_their_pairs_allow_by_hand() -> None:
    """S_1 = 1.2, S_2 = 0.12 + 0.15 + 0.2: at least S_1 - S_2, at most S_1 - (0.15 + 0.2)."""
    got = rungs(*papers(0.3, 0.4, 0.5))
    assert got["margins"] == near(0.5, 1.0)
    assert got["pairs of vehicles"] == near(0.73, 0.85)
    assert got["pairs of vehicles, sharp"] == near(0.73, 0.85)
    assert got["modelled"] == near(0.79, 0.79)


def test_many_pairs_bring_the_low_end_of_dawson_and_sankoff() -> None:
    """Four of 1/2: S_1 = 2, S_2 = 3/2, t = 2: 4/3 - 1/2; a tree of three pairs: 2 - 3/4 > 1."""
    got = rungs(*papers(0.5, 0.5, 0.5, 0.5))
    assert got["pairs of vehicles"] == near(5 / 6, 1.0)
    assert got["modelled"] == near(15 / 16, 15 / 16)


def test_the_linear_programme_is_sharper_where_pairs_differ() -> None:
    """The third is met by all who meet the first or second, as far as pairs can tell."""
    got = rungs(*papers(0.1, 0.2, 0.6, 0.7, 0.8))
    pairs, sharp = got["pairs of vehicles"], got["pairs of vehicles, sharp"]
    assert holds(pairs, sharp)
    assert sharp[1] - sharp[0] < pairs[1] - pairs[0] - 0.005


def test_pairs_of_a_rank_correlation_are_claytons() -> None:
    """At 1/2, k is 1/2: both are met by 1 - P - P + (P^-2 + P^-2 - 1)^(-1/2)."""
    both = 1 - 2 * 0.6 + (2 * 0.6**-2 - 1) ** -0.5
    got = rungs(*papers(0.4, 0.4, 0.4), dependence=0.5)
    t = 1 + math.floor(2 * 3 * both / 1.2)
    low = 2 * 1.2 / (t + 1) - 2 * 3 * both / (t * (t + 1))
    assert got["pairs of vehicles"] == near(low, 1.2 - 2 * both)


def test_direct_notice_is_independent_of_publication_within_the_bounds() -> None:
    got = rungs(direct(delivered=0.9), *papers(0.3, 0.4, 0.5))
    low, high = (1 - (1 - 0.9 * MAILED) * (1 - union) for union in (0.73, 0.85))
    assert got["pairs of vehicles"] == near(low, high)
    assert got["pairs of vehicles, sharp"] == near(low, high)


def test_bounds_are_taken_within_segments_and_then_weighted() -> None:
    """In CA as by hand above; the third vehicle is not seen elsewhere."""
    last = media(0.5, "v2", target={"state": "CA"})
    got = rungs(*papers(0.3, 0.4), last)
    ca, elsewhere = 65 / 110, 45 / 110
    union = 0.7 - 0.12
    expected = ca * 0.73 + elsewhere * union, ca * 0.85 + elsewhere * union
    assert got["pairs of vehicles"] == near(*expected)
    assert got["pairs of vehicles, sharp"] == near(*expected)


def test_segments_that_differ_are_each_solved_by_themselves() -> None:
    varying = media(by_state(0.5, 0.1, 0.9), "v2")
    got = rungs(*papers(0.3, 0.4), varying)
    low = high = 0.0
    for reach, weight in ((0.5, 65), (0.1, 35), (0.9, 10)):
        one, tree = 0.7 + reach, sorted((0.12, 0.3 * reach, 0.4 * reach))[1:]
        two = 0.12 + 0.7 * reach
        t = 1 + math.floor(2 * two / one)
        low += weight / 110 * max(2 * one / (t + 1) - 2 * two / (t * (t + 1)), 0.4, reach)
        high += weight / 110 * min(1.0, one - sum(tree))
    assert got["pairs of vehicles"] == near(low, high)
    assert holds(got["pairs of vehicles"], got["pairs of vehicles, sharp"])


def test_vehicles_of_different_states_share_nobody_in_either() -> None:
    """Cells whose pairs are alike, and whose vehicles are not."""
    local = [media(0.3, "v0", target={"state": "CA"}), media(0.5, "v1", target={"state": "NY"})]
    expected = (65 * 0.3 + 35 * 0.5) / 110
    assert rungs(*local)["pairs of vehicles, sharp"] == near(expected, expected)


# --- how rungs lie in each other -------------------------------------------------------------
@settings(max_examples=40)
@given(
    st.lists(shares, min_size=2, max_size=4), st.sampled_from([0.0, 0.05, 0.3, 0.9]), st.booleans()
)
def test_what_is_taken_for_granted_narrows_what_can_be_said(
    reach: list[float],
    dependence: float,
    mailed: bool,  # noqa: FBT001 -- a case
) -> None:
    notices = [*papers(*reach), *([direct(delivered=0.5)] if mailed else [])]
    got = rungs(*notices, dependence=dependence, draws=5)
    assert list(got) == RUNGS
    assert holds(got["margins"], got["pairs of vehicles"])
    assert holds(got["pairs of vehicles"], got["pairs of vehicles, sharp"])
    assert holds(got["pairs of vehicles"], got["modelled"])
    assert holds(got["pairs of vehicles, sharp"], got["modelled"])


def test_rungs_of_uncertain_figures_lie_in_each_other() -> None:
    uncertain = [dn.beta(mean=m, sd=0.05) for m in (0.2, 0.3, 0.4)]
    plan = NoticePlan("plan", [*papers(*uncertain), direct(delivered=0.8)])
    got = ends(estimate_reach(plan, BIG, draws=500, seed=1))
    assert list(got) == RUNGS
    assert holds(got["margins"], got["pairs of vehicles"])
    assert holds(got["pairs of vehicles"], got["modelled"], slack=0.0)
    low, high = got["modelled"]
    sharp = got["pairs of vehicles, sharp"]
    assert low < sum(sharp) / 2 < high


@pytest.mark.parametrize("both", [0.01, 0.15])
@pytest.mark.parametrize("reach", [(0.3, 0.2), (0.3, 0.2, 0.25)])
def test_rungs_of_measured_duplications_lie_in_each_other_though_their_model_drifts(
    reach: tuple[float, ...], both: float
) -> None:
    """The plan's own model error moves a union of known duplications beside its vehicles."""
    known = Duplications({("v0", "v1"): both}, reach_1={"v0": 0.3, "v1": 0.2}, persons=2_000)
    plan = NoticePlan("plan", papers(*reach), dependence=known)
    got = ends(estimate_reach(plan, BIG, draws=400, seed=1))
    assert holds(got["margins"], got["pairs of vehicles"])
    assert holds(got["pairs of vehicles"], got["modelled"], slack=1e-6)


@pytest.mark.parametrize("both", [0.001, 0.199])
def test_model_error_moves_no_end_beyond_what_vehicles_reach_by_themselves(both: float) -> None:
    known = Duplications({("v0", "v1"): both}, reach_1={"v0": 0.3, "v1": 0.2}, persons=1e6)
    drift = Drift(own=0.0, common=0.0, union=0.5)
    plan = NoticePlan("plan", papers(0.3, 0.2), dependence=known, drift=drift)
    got = ends(estimate_reach(plan, BIG, draws=400, seed=1))
    assert got["margins"] == near(0.3, 0.5)
    assert holds(got["margins"], got["pairs of vehicles"])
    assert holds(got["pairs of vehicles"], got["modelled"], slack=1e-6)


@pytest.mark.parametrize("both", [0.01, 0.15])
def test_pairs_that_were_measured_are_those_of_the_rung(both: float) -> None:
    known = Duplications({("v0", "v1"): both}, reach_1={"v0": 0.3, "v1": 0.2}, persons=1e6)
    plan = steady(NoticePlan("plan", papers(0.3, 0.2), dependence=known))
    got = ends(estimate_reach(plan, BIG, draws=50, seed=1))
    assert got["pairs of vehicles"] == near(0.5 - both, 0.5 - both)


# --- two vehicles, one, many -----------------------------------------------------------------
@pytest.mark.parametrize("dependence", [0.0, 0.4])
def test_of_two_vehicles_their_pair_says_everything(dependence: float) -> None:
    uncertain = papers(dn.beta(mean=0.3, sd=0.05), dn.beta(mean=0.2, sd=0.05))
    got = rungs(direct(), *uncertain, dependence=dependence, draws=300)
    assert got["pairs of vehicles"] == pytest.approx(got["modelled"], abs=1e-6)
    sharp = got["pairs of vehicles, sharp"]
    assert sharp[1] - sharp[0] < 1e-6
    assert sharp[0] == pytest.approx(np.mean(got["modelled"]), abs=0.01)


@pytest.mark.parametrize("reach", [0.2, 0.9, 1.0, 1e-9])
def test_a_vehicle_that_misses_a_state_bears_rounding_of_the_union(reach: float) -> None:
    """None meets it there, though the union is known to seven digits only."""
    local = media(0.3, "local", target={"state": "CA"})
    got = rungs(media(reach), local, dependence=0.2)
    assert got["pairs of vehicles"] == pytest.approx(got["modelled"], abs=1e-6)


@pytest.mark.parametrize("notices", [[], [media(0.3)], [direct()], [media(0.3), direct()]])
def test_without_two_vehicles_there_are_no_pairs(notices: list[Any]) -> None:
    assert list(rungs(*notices)) == ["margins", "modelled"]
    assert pair_rungs(NoticePlan("p", notices), BIG, Sampling(axes=(), draws=5, seed=0), 0.9) == []


def test_above_twelve_vehicles_there_is_no_sharp_rung(monkeypatch: pytest.MonkeyPatch) -> None:
    """The programme itself would take seconds."""
    anything = SharpBounds(lower=0.0, upper=1.0, slack=0.0)
    monkeypatch.setattr(reach_ladder, "sharp_bounds", lambda *_: anything)
    twelve, thirteen = (rungs(*papers(*[0.05] * n), draws=5) for n in (12, 13))
    assert list(twelve) == RUNGS
    assert twelve["pairs of vehicles, sharp"] == near(0.0, 1.0)
    assert list(thirteen) == [rung for rung in RUNGS if "sharp" not in rung]
    assert holds(thirteen["pairs of vehicles"], thirteen["modelled"])


def test_where_segments_differ_too_often_there_is_no_sharp_rung(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reach_ladder, "_MOST_COMBINATIONS", 2**3 - 1)
    found = rungs(*papers(0.1, 0.2, 0.3), draws=5)
    assert list(found) == [rung for rung in RUNGS if "sharp" not in rung]


def test_the_programme_is_solved_once_for_cells_that_are_alike(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Contact, of which publication knows nothing, multiplies the cells and not the work."""
    solved, programme = [], reach_ladder.sharp_bounds
    monkeypatch.setattr(
        reach_ladder, "sharp_bounds", lambda *figures: solved.append(0) or programme(*figures)
    )
    varying = media(by_state(0.5, 0.1, 0.5), "v2")
    rungs(direct(), *papers(0.3, 0.4), varying)
    assert len(solved) == 2


# --- several retailers, members beyond -------------------------------------------------------
def test_retailers_without_sketches_widen_every_rung_by_their_overlap() -> None:
    notices = [direct(delivered=0.9), direct("ulta", delivered=0.5), *papers(0.3, 0.4, 0.5)]
    got = rungs(*notices, members=BIG_TWO)
    assert list(got) == RUNGS
    assert holds(got["margins"], got["pairs of vehicles"])
    assert holds(got["pairs of vehicles"], got["modelled"])
    assert holds(got["pairs of vehicles"], got["pairs of vehicles, sharp"])
    apart = sum(1 - (1 - d * MAILED) * 0.27 for d in (0.9, 0.5)) / 2
    alike = 1 - (1 - 0.9 * MAILED) * 0.15
    assert holds(got["pairs of vehicles"], (apart, alike), slack=0.0)
    assert not holds(got["modelled"], (apart, alike))


def test_retailers_of_media_alone_leave_what_pairs_leave() -> None:
    """Everybody is reached alike, whoever is known to both."""
    got = rungs(*papers(0.3, 0.4, 0.5), members=BIG_TWO)
    assert got["pairs of vehicles"] == near(0.73, 0.85)
    assert got["modelled"] == near(0.79, 0.79)


def test_persons_whom_sketches_tell_apart_have_the_same_rungs() -> None:
    plan = steady(NoticePlan("p", [direct("r0"), *papers(0.3, 0.4, 0.5)], dependence=0.0))
    got = ends(estimate_reach(plan, SKETCHED.members, draws=200, seed=1))
    assert list(got) == RUNGS
    assert holds(got["margins"], got["pairs of vehicles"], slack=0.005)
    assert holds(got["pairs of vehicles"], got["modelled"], slack=0.0)
    sharp = got["pairs of vehicles, sharp"]
    assert holds(got["pairs of vehicles"], sharp, slack=0.005)
    assert sharp[0] + 0.01 < sharp[1]


def test_members_in_nobodys_records_meet_the_media_within_the_same_bounds() -> None:
    """Half of the class is known, and of the known some are sent an e-mail."""
    members = dn.estimate_class([release(CELLS * 10_000)], outside=0.5)
    got = rungs(direct(delivered=0.9), *papers(0.3, 0.4, 0.5), members=members)
    low, high = (
        0.5 * (1 - (1 - 0.9 * MAILED) * (1 - union)) + 0.5 * union for union in (0.73, 0.85)
    )
    assert got["pairs of vehicles"] == near(low, high)


# --- the table -------------------------------------------------------------------------------
def test_the_table_names_what_every_rung_rests_on() -> None:
    table = reached(*papers(0.3, 0.4), members=BIG, draws=5).ladder()
    assert tuple(table.columns) == COLUMNS
    assert table["rung"].tolist() == RUNGS
    assert table["rests_on"].tolist()[1:3] == [PAIRS, SHARP]
    assert "dependence between vehicles: rank correlation" in table["rests_on"].iloc[-1]
    assert set(table["level"]) == {0.95}


def test_a_lower_level_narrows_intervals_and_leaves_the_programme() -> None:
    uncertain = papers(*[dn.beta(mean=0.3, sd=0.05)] * 3)
    result = reached(*uncertain, members=BIG, draws=300)
    wide, narrow = ends(result, 0.95), ends(result, 0.5)
    for rung in ("pairs of vehicles", "modelled"):
        assert wide[rung][0] < narrow[rung][0] < narrow[rung][1] < wide[rung][1]
    assert wide["pairs of vehicles, sharp"] == narrow["pairs of vehicles, sharp"]


def test_pairs_are_of_the_first_thousand_draws() -> None:
    uncertain = papers(*[dn.beta(mean=0.3, sd=0.05)] * 3)
    few, more = (rungs(*uncertain, draws=draws) for draws in (1_000, 1_300))
    assert few["pairs of vehicles"] == pytest.approx(more["pairs of vehicles"], abs=1e-9)
    assert few["modelled"] != more["modelled"]


def test_the_programme_is_solved_at_the_mean_of_every_figure() -> None:
    sure, uncertain = (
        rungs(*papers(*[reach] * 3))["pairs of vehicles, sharp"]
        for reach in (0.3, dn.beta(mean=0.3, sd=0.1))
    )
    assert uncertain == pytest.approx(sure, abs=1e-6)


@pytest.mark.parametrize("level", [0, 1, 95])
def test_a_level_is_a_fraction(level: float) -> None:
    result = reached(*papers(0.3, 0.4), members=BIG, draws=5)
    exactly("level", EstimateError, lambda: result.ladder(level))
