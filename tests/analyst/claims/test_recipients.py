from itertools import chain, combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.claims.recipients import CHANNELS, Recipients
from made.reached import refused, told

SETS = ["+".join(s) for n in (1, 2, 3) for s in combinations(CHANNELS, n)]
persons = st.fixed_dictionaries({name: st.integers(0, 1_000) for name in SETS})
rates = st.fixed_dictionaries({c: st.sampled_from([0.0, 0.1, 0.2, 0.3]) for c in CHANNELS})


def drawn(given_rates: dict[str, float]) -> dict[str, np.ndarray]:
    return {channel: np.array([rate]) for channel, rate in given_rates.items()}


@given(persons, rates)
def test_each_person_counts_under_one_channel_that_none_of_theirs_outranks(
    exactly: dict[str, int], by_channel: dict[str, float]
) -> None:
    best = told(exactly, draws=1).by_best(drawn(by_channel))
    order = sorted(CHANNELS, key=lambda c: -by_channel[c])  # stable: ties in the usual order
    expected = dict.fromkeys(CHANNELS, 0)
    for name, number in exactly.items():
        expected[min(name.split("+"), key=order.index)] += number
    assert {c: float(v[0]) for c, v in best.items()} == pytest.approx(expected)


@given(persons, rates)
def test_persons_by_best_channel_add_up_to_everybody_sent_anything(
    exactly: dict[str, int], by_channel: dict[str, float]
) -> None:
    best = told(exactly, draws=1).by_best(drawn(by_channel))
    assert sum(float(v[0]) for v in best.values()) == pytest.approx(sum(exactly.values()))


@given(persons)
def test_persons_told_through_exactly_a_set_are_found_again(exactly: dict[str, int]) -> None:
    found = {"+".join(sorted(s)): float(v[0]) for s, v in told(exactly, draws=1).exactly().items()}
    expected = {"+".join(sorted(name.split("+"))): number for name, number in exactly.items()}
    assert found == pytest.approx(expected)


def test_the_best_channel_is_that_of_the_draw() -> None:
    people = told({"email+post": 100, "post": 10}, draws=3)
    best = people.by_best({"email": np.array([0.3, 0.1, 0.2]), "post": np.array([0.1, 0.3, 0.2])})
    assert best["email"].tolist() == [100, 0, 100]
    assert best["post"].tolist() == [10, 110, 10]


def test_estimates_below_nobody_are_kept() -> None:
    people = told({"email": 100, "email+post": -3.5}, draws=2)
    assert people.exactly()[frozenset({"email", "post"})].tolist() == [-3.5, -3.5]


def test_a_plan_of_publication_alone_sends_to_nobody() -> None:
    people = told({}, published=5, draws=2)
    assert (people.channels, people.by_best({}), people.exactly()) == ((), {}, {})


def test_channels_come_in_their_usual_order() -> None:
    assert told({"post": 1, "in_account": 1, "email": 1}).channels == CHANNELS


@pytest.mark.parametrize(
    "sets", [[{"email"}, {"post"}], [{"email", "post"}], [{"fax"}], [set()], [{"email"}, set()]]
)
def test_sets_that_are_missing_empty_or_unknown_are_refused(sets: list[set[str]]) -> None:
    sent = {frozenset(s): np.ones(2) for s in sets}
    message = refused(lambda: Recipients(sent=sent, published=np.zeros(2), size=np.ones(2)))
    assert "every non-empty set of the plan's channels (email, post, in_account)" in message


@pytest.mark.parametrize("bad", [np.ones(3), np.ones((2, 2)), np.array([1, np.nan]), np.float64(1)])
@pytest.mark.parametrize("field", ["sent email", "published"])
def test_another_number_of_draws_is_refused_by_name(field: str, bad: np.ndarray) -> None:
    fields = {"sent email": np.ones(2), "published": np.zeros(2)} | {field: bad}

    def make() -> Recipients:
        sent = {frozenset({"email"}): fields["sent email"]}
        return Recipients(sent=sent, published=fields["published"], size=np.ones(2))

    assert f"{field} must be a finite number per draw" in refused(make)


def test_a_class_of_nobody_in_some_draw_is_refused() -> None:
    size = np.array([10.0, 0.0])
    message = refused(lambda: Recipients(sent={}, published=np.zeros(2), size=size))
    assert "size must be above 0 in every draw" in message


def test_figures_are_read_only_copies() -> None:
    size = np.ones(2)
    people = Recipients(sent={frozenset({"email"}): size}, published=size, size=size)
    size[0] = 9
    arrays = chain(people.sent.values(), [people.published, people.size])
    assert all(not a.flags.writeable and a[0] == 1 for a in arrays)
