"""Persons simulated one by one, each with purchases, addresses and media habits of their own.

Tolerance 4 s.e. of the simulated share: false alarm 6e-5 per comparison.
"""

import math
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

import dpnotice as dn
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.plan import NoticePlan
from dpnotice.release import Release
from made.notices import by_state, direct, steady
from made.releases import noisy_release, wen

READERS = np.array([0.35, 0.15, 0.0])
READERS_OF_TWO = np.array([0.5, 0.22, 0.0])
INSERTIONS = 3
Floats = npt.NDArray[np.float64]
Whole = npt.NDArray[np.int_]
Truth = npt.NDArray[np.bool_]


def release(retailer: str, state: Whole, contact: Whole) -> Release:
    """Count persons, with noise of s.d. 0.01: the comparison is about reach."""
    cells = np.bincount(5 * state + contact, minlength=15).reshape(3, 5)
    return noisy_release(wen(), cells, retailer=retailer)


PAPER = dn.Print(
    "Weekly",
    reach_1=by_state(*READERS),
    reach_2=by_state(*READERS_OF_TWO),
    insertions=INSERTIONS,
)
RADIO = dn.Broadcast("radio", grps=80, reach_cap=0.7, dispersion=0.6)


def meets_paper(rng: np.random.Generator, state: Whole) -> Truth:
    """Each reader has a chance of their own, beta distributed within the state."""
    met = np.zeros(len(state), dtype=bool)
    for number in (0, 1):
        one, two = READERS[number], READERS_OF_TWO[number]
        alpha = one * (two - one) / (2 * one - one**2 - two)
        here = state == number
        chance = rng.beta(alpha, alpha * (1 - one) / one, here.sum())
        met[here] = rng.binomial(INSERTIONS, chance) > 0
    return met


def meets_radio(rng: np.random.Generator, persons: int) -> Truth:
    listens = rng.random(persons) < 0.7
    rate = rng.gamma(0.6, 0.8 / 0.7 / 0.6, persons)
    return np.asarray(listens & (rng.poisson(rate) > 0))


def sees_email(rng: np.random.Generator, contact: Whole, delivered: float, seen: float) -> Truth:
    sent = contact <= 1
    chances = rng.random((2, len(contact)))
    return np.asarray(sent & (chances[0] < delivered) & (chances[1] < seen))


def persons_of(rng: np.random.Generator, persons: int) -> tuple[Whole, Whole]:
    state = rng.choice(3, persons, p=[0.6, 0.35, 0.05])
    contact = np.where(
        state == 0,
        rng.choice(5, persons, p=[0.4, 0.2, 0.2, 0.15, 0.05]),
        rng.choice(5, persons, p=[0.1, 0.1, 0.5, 0.2, 0.1]),
    )
    return state, contact


def email(retailer: str, delivered: float, seen: float) -> dn.Direct:
    return direct(retailer, delivered=delivered, seen=seen)


def estimated(plan: NoticePlan, members: ClassEstimate, draws: int = 400) -> Any:
    return dn.estimate_reach(steady(plan), members, draws=draws, seed=1)


# --- one retailer --------------------------------------------------------------------------
PERSONS = 500_000


def within(got: float, truth: Truth) -> bool:
    share = float(truth.mean())
    return abs(got - share) < 4 * math.sqrt(share * (1 - share) / len(truth))


@pytest.fixture(scope="module")
def world() -> dict[str, Any]:
    rng = np.random.default_rng(20)
    state, contact = persons_of(rng, PERSONS)
    return {
        "state": state,
        "contact": contact,
        "members": dn.estimate_class([release("sephora", state, contact)]),
        "paper": meets_paper(rng, state),
        "radio": meets_radio(rng, PERSONS),
        "email": sees_email(rng, contact, 0.9, 0.8),
        "rng": rng,
    }


def test_direct_and_published_notice_reach_as_many_as_simulated(world: dict[str, Any]) -> None:
    plan = NoticePlan("all", [email("sephora", 0.9, 0.8), PAPER, RADIO], dependence=0.0)
    truth = world["email"] | world["paper"] | world["radio"]
    assert within(estimated(plan, world["members"]).reach, truth)


def test_published_notice_alone_reaches_as_many_as_simulated(world: dict[str, Any]) -> None:
    plan = NoticePlan("media", [PAPER, RADIO], dependence=0.0)
    assert within(estimated(plan, world["members"]).reach, world["paper"] | world["radio"])


@pytest.mark.parametrize("number", [0, 1, 2])
def test_every_state_is_reached_as_simulated(world: dict[str, Any], number: int) -> None:
    plan = NoticePlan("all", [email("sephora", 0.9, 0.8), PAPER, RADIO], dependence=0.0)
    truth = (world["email"] | world["paper"] | world["radio"])[world["state"] == number]
    got = estimated(plan, world["members"], draws=4_000).by("state")["estimate"][number]
    assert within(got, truth)


# --- one appetite for all vehicles ---------------------------------------------------------
TAU = 0.4
SHAPE = (1 - TAU) / (2 * TAU)
"""k of the appetite, Gamma(k, mean 1), at this rank correlation."""
TITLES = {"A": (0.3, 0.42, 3), "B": (0.2, 0.3, 2)}
"""Reach of one insertion, of two, and insertions."""


def counted_if_met(rng: np.random.Generator, law: Floats, appetite: Floats) -> Whole:
    """Exposures of persons: met as their appetite has it, then as often as the law has it.

    Args:
        rng: of the test.
        law: chances of 0, 1, 2, ... exposures of a person taken at random.
        appetite: of every person.
    """
    clock = SHAPE * (law[0] ** (-1 / SHAPE) - 1)
    met = rng.random(len(appetite)) > np.exp(-appetite * clock)
    often = rng.choice(np.arange(1, len(law)), len(appetite), p=law[1:] / law[1:].sum())
    return np.where(met, often, 0)


def insertions_seen(one: float, two: float, number: int) -> Floats:
    """Beta-binomial: from reach of one insertion and of two."""
    total = (two - one) / (2 * one - one**2 - two)
    return stats.betabinom(number, one * total, (1 - one) * total).pmf(np.arange(number + 1))


def radio_heard() -> Floats:
    """Negative binomial, mean 0.8 / 0.7, among the seven in ten who can be reached."""
    among = stats.nbinom(0.6, 0.6 / (0.6 + 0.8 / 0.7)).pmf(np.arange(60))
    return np.eye(60)[0] * 0.3 + 0.7 * among


def clusters_heard(rng: np.random.Generator, law: Floats, appetite: Floats) -> Whole:
    """Clusters of exposures come at a rate that is the appetite's, so that the law is kept.

    With G the law's generating function, G^-theta = 1 + theta rate (1 - generating function of a
    cluster's size).
    """
    series = np.fft.ifft(np.fft.fft(law, 4_096) ** (-1 / SHAPE)).real
    sizes = np.maximum(-series[1:200] / (series[0] - 1), 0)
    clusters = rng.poisson(appetite * (series[0] - 1) * SHAPE)
    heard = rng.choice(np.arange(1, 200), size=clusters.sum(), p=sizes / sizes.sum())
    whose = np.repeat(np.arange(len(appetite)), clusters)
    return np.bincount(whose, weights=heard, minlength=len(appetite)).astype(np.int64)


@pytest.fixture(scope="module")
def exposures(world: dict[str, Any]) -> Whole:
    """Of every person, published and direct together."""
    rng = np.random.default_rng(23)
    appetite = rng.gamma(SHAPE, 1 / SHAPE, PERSONS)
    papers = [insertions_seen(*title) for title in TITLES.values()]
    published = sum(counted_if_met(rng, law, appetite) for law in papers)
    return np.asarray(published + clusters_heard(rng, radio_heard(), appetite) + world["email"])


def by_appetite(tau: float) -> NoticePlan:
    papers = [
        dn.Print(name, reach_1=one, reach_2=two, insertions=number)
        for name, (one, two, number) in TITLES.items()
    ]
    return NoticePlan("all", [email("sephora", 0.9, 0.8), *papers, RADIO], dependence=tau)


@pytest.mark.parametrize("often", [1, 2, 3, 6])
def test_vehicles_met_by_one_appetite_are_met_so_often_as_simulated(
    world: dict[str, Any], exposures: Whole, often: int
) -> None:
    got = estimated(by_appetite(TAU), world["members"]).reach_n_plus(often)
    assert within(got.estimate, exposures >= often)


def test_vehicles_taken_as_independent_would_be_seen(
    world: dict[str, Any], exposures: Whole
) -> None:
    result = estimated(by_appetite(0.0), world["members"])
    for often in (1, 2, 6):  # three times or more happen to be about as many
        assert not within(result.reach_n_plus(often).estimate, exposures >= often)


# --- ways of individual notice, and members beyond the known -------------------------------
def test_a_letter_after_a_bounce_reaches_as_simulated(world: dict[str, Any]) -> None:
    rng, contact = world["rng"], world["contact"]
    arrives = (contact <= 1) & (rng.random(PERSONS) < 0.85)
    letter = np.isin(contact, [0, 2]) & ~arrives & (rng.random(PERSONS) < 0.95)
    truth = (arrives | letter) & (rng.random(PERSONS) < 0.7)
    notice = dn.Direct(
        "sephora",
        mode="email_then_post",
        cooperation="sends_itself",
        delivered=0.85,
        delivered_post=0.95,
        seen=0.7,
    )
    assert within(estimated(NoticePlan("p", [notice]), world["members"]).reach, truth)


def test_members_whom_no_record_shows_are_reached_as_simulated(world: dict[str, Any]) -> None:
    rng = np.random.default_rng(21)
    everybody = int(PERSONS / 0.75 * 1.4)  # a quarter of purchasers unknown; 0.4 more users each
    state, contact = persons_of(rng, everybody)
    known = rng.random(everybody) < 0.75 / 1.4
    members = dn.estimate_class(
        [release("sephora", state[known], contact[known])], outside=0.25, users_per_buyer=1.4
    )
    truth = (sees_email(rng, contact, 0.9, 0.8) & known) | meets_radio(rng, everybody)
    plan = NoticePlan("p", [email("sephora", 0.9, 0.8), RADIO], dependence=0.0)
    got = estimated(plan, members).reach
    # Who is known is itself random: the share of the known has its own error.
    error = math.sqrt(0.25 / everybody) + math.sqrt(0.25 / everybody)
    assert abs(got - truth.mean()) < 4 * error
    assert world["members"].population == "known buyers"


def test_frequency_is_as_simulated(world: dict[str, Any]) -> None:
    rng = np.random.default_rng(22)
    listens = rng.random(PERSONS) < 0.7
    heard = rng.poisson(rng.gamma(0.6, 0.8 / 0.7 / 0.6, PERSONS)) * listens
    met = heard + world["email"]
    reached = met[met > 0]
    plan = NoticePlan("p", [email("sephora", 0.9, 0.8), RADIO], dependence=0.0)
    error = reached.std() / math.sqrt(len(reached))
    assert abs(estimated(plan, world["members"]).frequency - reached.mean()) < 4 * error


# --- several retailers ---------------------------------------------------------------------
def overlapping(seed: int, retailers: int) -> tuple[ClassEstimate, NoticePlan, float]:
    """A world whose retailers share buyers at random; contact differs between retailers."""
    rng = np.random.default_rng(seed)
    persons = 100_000
    state = rng.choice(3, persons, p=[0.6, 0.35, 0.05])
    loyalty = rng.beta(*rng.uniform(0.2, 3, 2), persons)
    shared = rng.random(persons) < rng.random()
    reached = meets_radio(rng, persons) | meets_paper(rng, state)
    anywhere = np.zeros(persons, dtype=bool)
    habit = rng.random(persons)
    releases, notices = [], []
    for number in range(retailers):
        size = rng.uniform(0.2, 1)
        draw = np.where(shared, habit, rng.random(persons))
        buys = draw < size * loyalty
        contact = rng.choice(5, persons, p=rng.dirichlet([1, 1, 1, 1, 0.2]))
        delivered, seen = rng.uniform(0.3, 1, 2)
        name = f"retailer{number}"
        releases.append(release(name, state[buys], contact[buys]))
        if rng.random() < 0.8:
            notices.append(email(name, delivered, seen))
            reached |= buys & sees_email(rng, contact, delivered, seen)
        anywhere |= buys
    plan = NoticePlan("all", [*notices, PAPER, RADIO], dependence=0.0)
    return dn.estimate_class(releases), plan, float(reached[anywhere].mean())


@pytest.mark.parametrize("retailers", [2, 3, 5])
@pytest.mark.parametrize("seed", range(6))
def test_the_ends_contain_the_truth_whatever_the_overlap_is(seed: int, retailers: int) -> None:
    members, plan, truth = overlapping(100 * retailers + seed, retailers)
    result = estimated(plan, members, draws=100)
    low, high = result.draws.mean(axis=0)
    error = 4 * math.sqrt(0.25 / 20_000)  # at least 20,000 persons buy somewhere
    assert low - error <= truth <= high + error
    assert result.bounds[0] - error <= truth <= result.bounds[1] + error


@pytest.mark.parametrize("same", [True, False])
def test_the_ends_contain_full_overlap_and_none(*, same: bool) -> None:
    rng = np.random.default_rng(30)
    persons = 100_000
    state, contact = persons_of(rng, persons)
    first = np.ones(persons, dtype=bool) if same else np.arange(persons) < persons // 2
    second = np.ones(persons, dtype=bool) if same else ~first
    members = dn.estimate_class(
        [release("a", state[first], contact[first]), release("b", state[second], contact[second])]
    )
    truth = (first & sees_email(rng, contact, 0.8, 0.9)) | (
        second & sees_email(rng, contact, 0.5, 0.6)
    )
    plan = NoticePlan("p", [email("a", 0.8, 0.9), email("b", 0.5, 0.6)])
    low, high = estimated(plan, members, draws=100).draws.mean(axis=0)
    error = 4 * math.sqrt(0.25 / persons)
    assert low - error <= truth.mean() <= high + error
