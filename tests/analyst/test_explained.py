import math
from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.explained import COLUMNS, explain_width, shapley

PLAYERS = ["a", "b", "c", "d"]
DRAWS = 4_000
LEVEL = 0.9
Game = Callable[[frozenset[str]], float]
seeds = st.integers(0, 10**6)


def game(seed: int) -> Game:
    """A worth for every coalition."""
    worth = np.random.default_rng(seed).normal(0, 10, 2 ** len(PLAYERS))
    return lambda some: float(worth[sum(2 ** PLAYERS.index(player) for player in some)])


def by_orders(value: Game, players: list[str]) -> dict[str, float]:
    """Every player's mean gain over all orders of arrival."""
    found = dict.fromkeys(players, 0.0)
    for order in permutations(players):
        for place, player in enumerate(order):
            before = frozenset(order[:place])
            found[player] += (value(before | {player}) - value(before)) / math.factorial(len(order))
    return found


# --- Shapley values ------------------------------------------------------------------------
def test_the_left_glove_is_worth_four_times_either_right_one() -> None:
    gloves: Game = lambda some: float("left" in some and len(some) > 1)  # noqa: E731 -- a game
    got = shapley(gloves, ["left", "right", "other right"])
    assert got == pytest.approx({"left": 2 / 3, "right": 1 / 6, "other right": 1 / 6})


@given(seeds)
def test_values_are_mean_gains_over_all_orders(seed: int) -> None:
    value = game(seed)
    assert shapley(value, PLAYERS) == pytest.approx(by_orders(value, PLAYERS), abs=1e-9)


@given(seeds)
def test_values_sum_to_what_all_gain_together(seed: int) -> None:
    value = game(seed)
    gained = value(frozenset(PLAYERS)) - value(frozenset())
    assert sum(shapley(value, PLAYERS).values()) == pytest.approx(gained, abs=1e-9)


@given(seeds)
def test_players_who_add_alike_are_worth_alike(seed: int) -> None:
    plain = game(seed)
    turned = {"a": "b", "b": "a"}

    def value(some: frozenset[str]) -> float:
        return plain(some) + plain(frozenset(turned.get(player, player) for player in some))

    got = shapley(value, PLAYERS)
    assert got["a"] == pytest.approx(got["b"], abs=1e-9)


@given(seeds, st.floats(-5, 5))
def test_who_always_adds_the_same_is_worth_that(seed: int, own: float) -> None:
    plain = game(seed)
    got = shapley(lambda some: plain(some - {"d"}) + own * ("d" in some), PLAYERS)
    assert got["d"] == pytest.approx(own, abs=1e-9)


@given(seeds, seeds, st.floats(-3, 3))
def test_values_of_two_games_add(seed: int, other: int, factor: float) -> None:
    one, two = game(seed), game(other)
    got = shapley(lambda some: one(some) + factor * two(some), PLAYERS)
    apart, beside = shapley(one, PLAYERS), shapley(two, PLAYERS)
    for player in PLAYERS:
        assert got[player] == pytest.approx(apart[player] + factor * beside[player], abs=1e-9)


def test_nobody_shares_nothing() -> None:
    assert shapley(lambda _: 3.0, []) == {}


# --- a toy estimate ------------------------------------------------------------------------
def standard() -> Any:
    """Shocks of a, b, c, d, (4, draws): of mean 0 and variance 1, uncorrelated, all exactly."""
    raw = np.random.default_rng(7).normal(size=(len(PLAYERS), DRAWS))
    raw -= raw.mean(axis=1, keepdims=True)
    return math.sqrt(DRAWS) * np.linalg.svd(raw, full_matrices=False)[2]


SHOCKS = dict(zip(PLAYERS, standard(), strict=True))


def moved(held: frozenset[str], player: str) -> Any:
    return 0 * SHOCKS[player] if player in held else SHOCKS[player]


def summed(**sd: float) -> Callable[[frozenset[str]], Any]:
    """An estimate of 0.5 plus independent shocks."""
    return lambda held: 0.5 + sum(s * moved(held, player) for player, s in sd.items())


def explained(draw: Callable[[frozenset[str]], Any], level: float = LEVEL) -> dict[str, Any]:
    return {row["source"]: row for row in explain_width(draw, PLAYERS, level)}


def width(draws: Any, level: float = LEVEL) -> float:
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return float(high - low)


def test_independent_sources_share_by_their_variances() -> None:
    got = explained(summed(a=0.03, b=0.04, c=0.12, d=0.01))
    total = 0.03**2 + 0.04**2 + 0.12**2 + 0.01**2
    wanted = {"a": 0.03**2, "b": 0.04**2, "c": 0.12**2, "d": 0.01**2}
    shares = {source: row["share_of_width"] for source, row in got.items()}
    assert shares == pytest.approx({s: v / total for s, v in wanted.items()}, rel=1e-9)


def test_sources_that_only_move_together_share_equally() -> None:
    got = explained(lambda held: moved(held, "a") * moved(held, "b"))
    assert set(got) == {"a", "b"}
    assert got["a"]["share_of_width"] == pytest.approx(0.5, abs=1e-9)


def test_a_source_that_narrows_the_estimate_has_a_share_below_0() -> None:
    def draw(held: frozenset[str]) -> Any:
        return moved(held, "a") * (1.0 if "b" in held else 0.1) + 0.1 * moved(held, "b")

    got = explained(draw)  # v(a) = 1, v(b) = 0.01, v(a, b) = 0.02
    assert got["a"]["share_of_width"] == pytest.approx((1 + 0.01) / 2 / 0.02)
    assert got["b"]["share_of_width"] == pytest.approx((0.01 + 0.02 - 1) / 2 / 0.02)


def test_points_are_parts_of_the_interval_of_the_given_level() -> None:
    draw = summed(a=0.03, b=0.04, c=0.12)
    for level in (0.5, 0.95):
        got = explained(draw, level)
        whole = width(draw(frozenset()), level)
        assert sum(row["points"] for row in got.values()) == pytest.approx(whole, abs=1e-12)
        for row in got.values():
            assert row["points"] == pytest.approx(whole * row["share_of_width"], abs=1e-12)


def test_the_widest_source_comes_first() -> None:
    rows = explain_width(summed(a=0.03, b=0.12, c=0.04), PLAYERS, LEVEL)
    assert [row["source"] for row in rows] == ["b", "c", "a"]


def test_rows_have_the_columns_of_the_table() -> None:
    rows = explain_width(summed(a=0.03), PLAYERS, LEVEL)
    assert [tuple(row) for row in rows] == [COLUMNS]


def test_width_if_known_is_that_of_the_draws_with_the_source_held_still() -> None:
    draw = summed(a=0.03, b=0.12)
    got = explained(draw)
    for source in ("a", "b"):
        wanted = width(draw(frozenset({source})))
        assert got[source]["width_if_known"] == pytest.approx(wanted, abs=1e-12)


def test_the_shift_of_the_mean_is_that_of_holding_the_source_at_its_mean() -> None:
    got = explained(lambda held: moved(held, "a") ** 2 + 0.1 * moved(held, "b"))
    assert got["a"]["shift_of_mean"] == pytest.approx(-1, abs=1e-9)
    assert got["b"]["shift_of_mean"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("names", [["a", "b"], ["b", "a"]])
def test_sources_that_do_not_move_are_absent(names: list[str]) -> None:
    rows = explain_width(summed(b=0.1), names, LEVEL)
    assert [row["source"] for row in rows] == ["b"]
    assert rows[0]["share_of_width"] == pytest.approx(1, abs=1e-12)


def test_a_source_that_moves_only_with_others_counts_as_moving() -> None:
    got = explained(lambda held: moved(held, "a") * (1 + 0.5 * moved(held, "b")))
    assert set(got) == {"a", "b"}
    # v(a) = 1, v(b) = 0, v(ab) = E a^2 (1 + b / 2)^2 - (E a (1 + b / 2))^2
    both = float(np.var(SHOCKS["a"] * (1 + 0.5 * SHOCKS["b"])))
    assert got["a"]["share_of_width"] == pytest.approx((1 + both) / 2 / both, abs=1e-9)


@pytest.mark.parametrize("draws", [np.full(50, 0.7), np.array([0.7])])
def test_where_nothing_is_uncertain_there_is_nothing_to_explain(draws: Any) -> None:
    assert explain_width(lambda _: draws, PLAYERS, LEVEL) == []


def test_a_single_draw_has_no_width_to_explain() -> None:
    assert explain_width(lambda held: np.array([0.6 if "a" in held else 0.7]), ["a"], LEVEL) == []


@given(st.lists(st.floats(0.001, 1), min_size=4, max_size=4), st.floats(-1, 1), st.booleans())
def test_shares_sum_to_1(sd: list[float], together: float, ends: bool) -> None:  # noqa: FBT001
    def draw(held: frozenset[str]) -> Any:
        middle = sum(s * moved(held, player) for s, player in zip(sd, PLAYERS, strict=True))
        middle = middle + together * moved(held, "a") * moved(held, "b")
        gap = 0.2 + 0.1 * moved(held, "c") ** 2
        return np.stack([middle - gap, middle + gap], axis=1) if ends else middle

    rows = explain_width(draw, PLAYERS, LEVEL)
    assert sum(row["share_of_width"] for row in rows) == pytest.approx(1, abs=1e-12)


# --- pairs of ends -------------------------------------------------------------------------
def two_ended(gap: float, **sd: float) -> Callable[[frozenset[str]], Any]:
    middle = summed(**sd)
    return lambda held: middle(held)[:, np.newaxis] + np.array([-gap / 2, gap / 2])


def test_the_distance_between_ends_is_a_source_of_its_own() -> None:
    draw = two_ended(0.1, a=0.03, b=0.04)
    got = explained(draw)
    spread = width(draw(frozenset())[:, 0])
    assert set(got) == {"a", "b", "overlap left open"}
    assert got["overlap left open"]["points"] == pytest.approx(0.1, abs=1e-12)
    assert got["overlap left open"]["width_if_known"] == pytest.approx(spread, abs=1e-12)
    assert got["overlap left open"]["share_of_width"] == pytest.approx(0.1 / (0.1 + spread))
    assert got["overlap left open"]["shift_of_mean"] == 0


def test_the_rest_is_split_by_the_variance_of_the_middle() -> None:
    draw = two_ended(0.1, a=0.03, b=0.04)
    got, spread = explained(draw), width(draw(frozenset())[:, 0])
    assert got["a"]["points"] == pytest.approx(spread * 9 / 25, rel=1e-9)
    assert got["b"]["points"] == pytest.approx(spread * 16 / 25, rel=1e-9)


def test_known_sources_leave_the_width_from_the_low_end_to_the_high_one() -> None:
    draw = two_ended(0.1, a=0.03, b=0.04)
    wanted = width(draw(frozenset({"b"}))[:, 0]) + 0.1
    assert explained(draw)["b"]["width_if_known"] == pytest.approx(wanted, abs=1e-12)


def test_a_distance_that_varies_counts_by_its_mean() -> None:
    def draw(held: frozenset[str]) -> Any:
        gap = 0.1 + 0.02 * moved(held, "c")
        middle = 0.03 * moved(held, "a")
        return np.stack([middle - gap / 2, middle + gap / 2], axis=1)

    got = explained(draw)
    assert got["overlap left open"]["points"] == pytest.approx(0.1, abs=1e-12)
    assert got["c"]["share_of_width"] == pytest.approx(0, abs=1e-12)


def test_ends_that_coincide_leave_nothing_open() -> None:
    assert set(explained(two_ended(0.0, a=0.03, b=0.04))) == {"a", "b"}


def test_a_single_pair_of_ends_is_all_left_open() -> None:
    got = explain_width(lambda held: np.array([[0.5, 0.7]]) + 0.1 * ("a" in held), ["a"], LEVEL)
    assert [(row["source"], row["share_of_width"]) for row in got] == [("overlap left open", 1)]
