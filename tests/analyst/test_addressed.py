import math
from dataclasses import replace
from itertools import chain, combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import dpnotice as dn
from dpnotice.analyst.claims.recipients import Recipients
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.outside import Beyond
from dpnotice.errors import EstimateError
from made.known_to_several import STATES, emails
from made.notices import by_state
from made.reaching import (
    ONE,
    PERSONS,
    SKETCHED,
    TWO,
    agreeing,
    direct,
    exactly,
    media,
    reached,
    sketched,
)
from made.releases import noisy_release, wen
from made.sketched import World, answered, asking, regions, spread, world_of

BUYERS = 110_000
BOTH, EMAIL, POST = 45_000, 30_000, 20_000
"""Of them with e-mail and post, e-mail alone, post alone; 15,000 with neither, or not known."""
NOISE = 20.0
"""Noise in a sum of these counts, many times its s.d."""
ALL = "email+post"
delivery = st.floats(0, 1)


def sent(*notices: Any, members: ClassEstimate = ONE, **options: Any) -> Recipients:
    return reached(*notices, members=members, **options).recipients()


def means(found: Recipients) -> dict[str, float]:
    return {"+".join(sorted(name)): float(v.mean()) for name, v in found.sent.items()}


def near(*persons: float) -> Any:
    return pytest.approx(persons, abs=NOISE)


def then_post(retailer: str = "sephora", delivered: Any = 0.8) -> dn.Direct:
    return direct(retailer, mode="email_then_post", delivered=delivered, delivered_post=0.9)


# --- by channel, one retailer ----------------------------------------------------------------
@pytest.mark.parametrize(("mode", "persons"), [("email", BOTH + EMAIL), ("post", BOTH + POST)])
def test_those_whose_contact_names_the_channel_are_sent_a_piece(mode: str, persons: int) -> None:
    assert means(sent(direct(mode=mode))) == pytest.approx({mode: persons}, abs=NOISE)


def test_a_letter_follows_where_there_is_no_email_or_it_bounced() -> None:
    """Of 45,000 with both, 20 % bounce; where only an e-mail is known no letter can follow."""
    got = means(sent(then_post(delivered=0.8)))
    letters = POST + 0.2 * BOTH
    everybody = BOTH + EMAIL + POST
    expected = {"email": BOTH + EMAIL, "post": letters, "email+post": everybody}
    assert got == pytest.approx(expected, abs=NOISE)


def test_bounces_of_a_segment_are_its_own() -> None:
    got = means(sent(then_post(delivered=by_state(0.9, 0.5, 0.6))))
    assert got["post"] == pytest.approx(POST + 0.1 * 30_000 + 0.5 * 10_000 + 0.4 * 5_000, abs=NOISE)


def test_letters_after_bounces_are_as_uncertain_as_the_bounces() -> None:
    got = sent(then_post(delivered=dn.beta(mean=0.8, sd=0.05)), draws=2_000)
    letters = got.sent[frozenset({"post"})]
    assert letters.mean() == pytest.approx(POST + 0.2 * BOTH, rel=0.02)
    assert letters.std() == pytest.approx(0.05 * BOTH, rel=0.1)
    assert got.sent[frozenset({"email"})].std() < NOISE


def test_an_email_and_a_letter_to_all_who_can_be_written_to_are_sent_side_by_side() -> None:
    got = sent(direct(), direct(mode="post"))
    expected = {
        "email": BOTH + EMAIL,
        "post": BOTH + POST,
        "email+post": BOTH + EMAIL + POST,
    }
    assert means(got) == pytest.approx(expected, abs=NOISE)
    exact = {"+".join(sorted(k)): v.mean() for k, v in got.exactly().items()}
    assert exact == pytest.approx({"email": EMAIL, "post": POST, "email+post": BOTH}, abs=NOISE)


def test_a_letter_beside_that_after_a_bounce_is_one_more_piece_and_no_other_person() -> None:
    got = means(sent(then_post(), direct(mode="post")))
    assert (got["post"], got["email+post"]) == near(BOTH + POST, BOTH + EMAIL + POST)


def test_an_account_is_a_channel_of_its_own() -> None:
    asked = wen(
        axes={"contact": ["email+in_account", "email", "in_account", "none"]},
        tables=[{"of": []}, {"of": ["contact"]}],
    )
    members = dn.estimate_class([noisy_release(asked, [4_000, 3_000, 2_000, 1_000, 0])])
    got = means(sent(direct(), direct(mode="in_account"), members=members))
    assert got == pytest.approx(
        {"email": 7_000, "in_account": 6_000, "email+in_account": 9_000}, abs=NOISE
    )


@pytest.mark.parametrize("changes", [{"delivered": 0.1}, {"seen": 0.2}])
def test_what_is_not_delivered_or_seen_was_sent_all_the_same(changes: dict[str, float]) -> None:
    assert means(sent(direct(**changes)))["email"] == pytest.approx(BOTH + EMAIL, abs=NOISE)


def test_where_retailers_send_nothing_nobody_is_sent_anything() -> None:
    got = sent(direct(cooperation="dp_counts_only"), media(0.2))
    assert dict(got.sent) == {}
    assert (got.published.mean(), got.size.mean()) == near(0.2 * BUYERS, BUYERS)


def test_a_plan_without_notices_tells_nobody() -> None:
    got = sent()
    assert dict(got.sent) == {}
    assert got.published.tolist() == [0] * 200
    assert got.size.mean() == pytest.approx(BUYERS, abs=NOISE)


# --- by publication alone --------------------------------------------------------------------
@pytest.mark.parametrize(
    ("notice", "others"),
    [
        (direct(), BUYERS - BOTH - EMAIL),
        (direct(mode="post"), BUYERS - BOTH - POST),
        (then_post(), BUYERS - BOTH - EMAIL - POST),
    ],
    ids=["email", "post", "both"],
)
def test_publication_alone_tells_its_readers_who_are_sent_nothing(
    notice: dn.Direct, others: int
) -> None:
    assert sent(notice, media(0.2)).published.mean() == pytest.approx(0.2 * others, abs=NOISE)


def test_readers_who_are_sent_nothing_are_counted_where_they_live() -> None:
    got = sent(direct(), media(by_state(0.5, 0.2, 0.1)))
    expected = 0.5 * 15_000 + 0.2 * 15_000 + 0.1 * 5_000
    assert got.published.mean() == pytest.approx(expected, abs=NOISE)


def test_members_in_nobodys_records_read_and_are_sent_nothing() -> None:
    members = replace(ONE, beyond=Beyond(outside=0.2, users_per_buyer=1.5))
    got = sent(direct(), media(by_state(0.5, 0.2, 0.1)), members=members)
    size = BUYERS * 1.5 / 0.8
    reading = (0.5 * 65 + 0.2 * 35 + 0.1 * 10) / 110
    beside = 0.5 * 15_000 + 0.2 * 15_000 + 0.1 * 5_000
    assert means(got)["email"] == pytest.approx(BOTH + EMAIL, abs=NOISE)
    assert got.size.mean() == pytest.approx(size, abs=2 * NOISE)
    assert got.published.mean() == pytest.approx(beside + reading * (size - BUYERS), abs=2 * NOISE)


def test_an_uncertain_share_of_outsiders_moves_the_size_and_the_readers() -> None:
    members = replace(ONE, beyond=Beyond(outside=dn.beta(mean=0.3, sd=0.05)))
    got = sent(direct(), media(0.2), members=members)
    expected = 0.2 * (got.size - BOTH - EMAIL)
    assert got.size.std() > 5_000
    assert got.published == pytest.approx(expected, abs=NOISE)
    assert got.sent[frozenset({"email"})].std() < NOISE


# --- sums ------------------------------------------------------------------------------------
@given(delivery, delivery, delivery)
def test_persons_add_up(bounced: float, read: float, outside: float) -> None:
    members = replace(ONE, beyond=Beyond(outside=0.9 * outside))
    notices = [then_post(delivered=1 - bounced), media(read)]
    got = sent(*notices, members=members, draws=5)
    email, post, anything = (got.sent[frozenset(s.split("+"))] for s in ("email", "post", ALL))
    assert (np.maximum(email, post) <= anything + 1e-6).all()
    assert (anything <= email + post + 1e-6).all()
    assert sum(got.exactly().values()) == pytest.approx(anything)
    assert (got.published >= -1e-6).all()
    assert (anything + got.published <= got.size + 1e-6).all()


@given(delivery)
def test_where_all_that_is_sent_is_seen_the_told_are_the_reached(read: float) -> None:
    plan = [direct(delivered=1.0, seen=1.0), media(by_state(read, 0.2, 0.1))]
    result = reached(*plan, members=replace(ONE, beyond=Beyond(outside=0.25)), draws=50)
    got = result.recipients()
    told = (got.sent[frozenset({"email"})] + got.published) / got.size
    assert result.reach == pytest.approx(told.mean(), abs=1e-3)


def test_the_draws_are_those_of_reach() -> None:
    plan = [then_post(delivered=dn.beta(mean=0.8, sd=0.05)), media(dn.beta(mean=0.2, sd=0.02))]
    one, again, other = (sent(*plan, draws=30, seed=seed) for seed in (1, 1, 2))
    assert one.published.shape == (30,)
    assert one.published.tolist() == again.published.tolist() != other.published.tolist()
    for channels, persons in one.sent.items():
        assert persons.tolist() == again.sent[channels].tolist()


# --- several retailers -----------------------------------------------------------------------
@pytest.mark.parametrize("notices", [[direct()], [direct(), direct("ulta")], [media(0.2)]])
def test_retailers_whose_persons_are_not_told_apart_are_refused(notices: list[Any]) -> None:
    words = "claims need persons who are told apart: one retailer, or sketches of all"
    exactly(words, EstimateError, lambda: sent(*notices, members=TWO))


def test_one_retailer_without_a_sketch_is_refused() -> None:
    rng = np.random.default_rng(6)
    members, _ = several([0.5, 0.3, 0.2, 0.0], rng=rng, epsilons=("4", "4", ""))
    exactly("told apart", EstimateError, lambda: sketched_sent(*mailing("email"), members=members))


def several(
    contact: Any, *, rng: np.random.Generator, alike: bool = False, epsilons: Any = ()
) -> tuple[ClassEstimate, World]:
    """Three retailers with 20,000 buyers each, `alike`: a person has one contact at all."""
    axes = {"state": ["CA", "NY"], "contact": ["email+post", "email", "post", "none"]}
    contact = [*contact, 0.0] if len(contact) < len(axes["contact"]) + 1 else contact
    tables = [{"of": []}, {"of": ["state", "contact"]}]
    asked = asking(epsilon="4", expected=20_000, axes=axes, tables=tables)
    world = world_of(spread(regions(20_000, 3, "mid"), STATES), rng, contact)
    if alike:
        assert world.contact is not None
        world = replace(world, contact=np.broadcast_to(world.contact[0], world.contact.shape))
    return dn.estimate_class(answered(asked, world, rng, epsilons=epsilons)), world


def mailing(*modes: str) -> list[Any]:
    """A notice in one of these modes from each retailer in turn."""
    return [direct(f"r{number}", mode=mode) for number, mode in enumerate(modes)]


def sketched_sent(*notices: Any, members: ClassEstimate = SKETCHED.members) -> Recipients:
    return sketched(dn.NoticePlan("p", notices, dependence=0.0), members).recipients()


def as_counted(found: Any, truth: float, persons: int = PERSONS) -> bool:
    """Within 4 s.e. of the count and of the draws: over all seeds 6e-5 per comparison."""
    return abs(found.mean() - truth) < 4 * math.hypot(0.5 * math.sqrt(persons), found.std())


SETS = [*chain.from_iterable(combinations(("email", "post"), n) for n in (1, 2))]


@pytest.mark.parametrize("channels", SETS)
def test_persons_of_several_retailers_are_sent_pieces_as_counted(
    monkeypatch: pytest.MonkeyPatch, channels: tuple[str, ...]
) -> None:
    """By e-mail from two, by post from one of those and the third; contact is independent."""
    agreeing(monkeypatch, 0.0, 0.0)
    world, senders = SKETCHED.world, {"email": (0, 1), "post": (1, 2)}
    notices = [direct(f"r{i}", mode=mode) for mode, numbers in senders.items() for i in numbers]
    got = sketched_sent(*notices)
    assert world.contact is not None
    hit = np.zeros(PERSONS, dtype=bool)
    for mode in channels:
        level = ("email", "post").index(mode)
        for number in senders[mode]:
            hit |= world.at(number) & (world.contact[number] == level)
    assert as_counted(got.sent[frozenset(channels)], hit.sum())
    assert as_counted(got.size, PERSONS)


def test_letters_after_bounces_at_several_retailers_are_sent_as_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agreeing(monkeypatch, 0.0, 0.0)
    rng = np.random.default_rng(8)
    members, world = several([0.4, 0.3, 0.2, 0.1], rng=rng)
    got = sketched_sent(then_post("r0", 0.6), then_post("r1", 0.3), members=members)
    assert world.contact is not None
    letter = np.zeros(len(world.masks), dtype=bool)
    for number, delivered in ((0, 0.6), (1, 0.3)):
        bounced = (world.contact[number] == 0) & (rng.random(len(letter)) > delivered)
        letter |= world.at(number) & (bounced | (world.contact[number] == 2))
    assert as_counted(got.sent[frozenset({"post"})], letter.sum(), len(letter))


def test_persons_who_can_all_be_written_to_are_counted_once() -> None:
    rng = np.random.default_rng(7)
    members, world = several([0.0, 1.0, 0.0, 0.0], rng=rng)
    got = sketched_sent(*mailing("email", "email", "email"), members=members)
    persons = got.sent[frozenset({"email"})]
    assert persons.mean() == pytest.approx(got.size.mean(), rel=0.003)  # others are noise
    assert as_counted(persons, len(world.masks))
    assert len(world.masks) < 50_000  # 60,000 buyers


@pytest.mark.parametrize("seeing", [0.0, 1.0])
def test_persons_of_one_contact_at_all_retailers_are_sent_a_piece_by_any_or_none(
    monkeypatch: pytest.MonkeyPatch, seeing: float
) -> None:
    agreeing(monkeypatch, 1.0, seeing)
    rng = np.random.default_rng(9)
    members, world = several([0.0, 0.4, 0.0, 0.6], rng=rng, alike=True)
    got = sketched_sent(*mailing("email", "email", "email"), members=members)
    assert world.contact is not None
    written = (world.contact[0] == 1).sum()
    assert as_counted(got.sent[frozenset({"email"})], written, len(world.masks))
    agreeing(monkeypatch, 0.0, seeing)
    apart = sketched_sent(*mailing("email", "email", "email"), members=members)
    assert not as_counted(apart.sent[frozenset({"email"})], written, len(world.masks))


def test_readers_among_persons_who_are_sent_nothing_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agreeing(monkeypatch, 0.0, 0.0)
    world = SKETCHED.world
    assert world.contact is not None
    mailed = np.zeros(PERSONS, dtype=bool)
    for number in (0, 1, 2):
        mailed |= world.at(number) & (world.contact[number] == 0)
    members = replace(SKETCHED.members, beyond=Beyond(outside=0.2))
    got = sketched_sent(*emails(0, 1, 2), media(0.3), members=members)
    reading = 0.3 * ((~mailed).sum() + PERSONS / 4)
    assert as_counted(got.published, reading)


# --- claims ----------------------------------------------------------------------------------
RATES = {"email": 0.02, "post": 0.05, "publication": 0.01}


def claims(result: Any, rates: Any = RATES) -> Any:
    return dn.expected_claims(result, rates=rates, validity=0.9)


def test_claims_of_a_real_estimate_are_the_rates_of_each_best_channel() -> None:
    """All seeds: a false alarm in 6e-5 per figure (4 s.e. of 2,000 draws, each near Poisson)."""
    got = claims(reached(then_post(delivered=0.8), media(0.2), draws=2_000))
    letters = POST + 0.2 * BOTH
    alone = 0.2 * (BUYERS - BOTH - EMAIL - POST)
    filed = 0.05 * letters + 0.02 * (BOTH + EMAIL + POST - letters) + 0.01 * alone
    error = 4 * math.sqrt(filed / 2_000)
    assert got.filed.mean() == pytest.approx(filed, abs=error)
    assert got.valid.mean() == pytest.approx(0.9 * filed, abs=error)


def test_claims_if_every_channel_brought_its_own_are_of_both_after_a_bounce() -> None:
    got = claims(reached(then_post(delivered=0.8), media(0.2)))
    bounced = 0.2 * BOTH
    upper = 0.02 * (BOTH - bounced + EMAIL) + 0.05 * POST + bounced * (1 - 0.98 * 0.95)
    assert got.filed_upper.mean() == pytest.approx(upper + 0.01 * 0.2 * 15_000, abs=2)


def test_members_in_nobodys_records_claim_by_publication_alone() -> None:
    """All seeds: a false alarm in 6e-5."""
    members = replace(ONE, beyond=Beyond(outside=0.5))
    got = claims(reached(direct(), media(0.2), members=members, draws=2_000))
    filed = 0.02 * (BOTH + EMAIL) + 0.01 * 0.2 * (2 * BUYERS - BOTH - EMAIL)
    assert got.filed.mean() == pytest.approx(filed, abs=4 * math.sqrt(filed / 2_000))
    assert got.population == "class members"
    assert got.filed_rate.value.mean() == pytest.approx(filed / (2 * BUYERS), rel=0.01)


def test_persons_of_several_retailers_claim_once() -> None:
    rng = np.random.default_rng(7)
    members, world = several([0.0, 1.0, 0.0, 0.0], rng=rng)
    plan = dn.NoticePlan("p", mailing("email", "email", "email"), dependence=0.0)
    got = claims(sketched(plan, members), {"email": 0.1})
    assert as_counted(got.filed, 0.1 * len(world.masks), len(world.masks) // 10)


def test_claims_of_retailers_whose_persons_are_not_told_apart_are_refused() -> None:
    result = reached(direct(), direct("ulta"), members=TWO)
    exactly("told apart", EstimateError, lambda: claims(result))
