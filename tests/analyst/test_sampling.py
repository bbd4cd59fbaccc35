import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from dpnotice.analyst.rates import Law, Scaled, Uniform, beta, lognormal
from dpnotice.analyst.sampling import SOURCES, Sampling, Still, drawn
from made.notices import AGE, STATE, refusal

BY_STATE = pd.DataFrame({"state": ["CA", "NY", "unknown"], "rate": [0.1, 0.2, 0.3]})
EVERY_SOURCE = frozenset(SOURCES.values())


def sampling(*, draws: int = 50, seed: int = 7, still: frozenset[str] = frozenset()) -> Sampling:
    return Sampling(axes=(STATE, AGE), draws=draws, seed=seed, still=still)


# --- figures -------------------------------------------------------------------------------
def test_a_number_is_the_same_in_every_draw_and_cell() -> None:
    drawn = sampling().sample(0.25, "rate")
    assert np.broadcast_to(drawn, (50, 3, 3)).ravel().tolist() == [0.25] * 450


def test_a_law_varies_over_draws_and_is_shared_by_all_cells() -> None:
    drawn = sampling().sample(beta(mean=0.2, sd=0.1), "rate")
    assert drawn.shape == (50, 1, 1)
    assert len(np.unique(drawn)) == 50


def test_a_frozen_scipy_law_is_drawn_from_the_labels_own_stream() -> None:
    law = stats.beta(4, 56)
    expected = law.rvs(50, random_state=sampling().stream("rate"))
    assert sampling().sample(law, "rate").ravel().tolist() == expected.tolist()


@given(st.permutations([("CA", 0.1), ("NY", 0.2), ("unknown", 0.3)]))
def test_the_order_of_a_frames_rows_does_not_matter(rows: list[tuple[str, float]]) -> None:
    drawn = sampling().sample(pd.DataFrame(rows, columns=["state", "rate"]), "rate")
    assert drawn[0, :, 0].tolist() == [0.1, 0.2, 0.3]


def test_the_order_of_a_frames_axes_does_not_matter() -> None:
    cells = [(s, a, i) for i, (s, a) in enumerate((s, a) for s in STATE.levels for a in AGE.levels)]
    one = pd.DataFrame(cells, columns=["state", "age", "rate"])
    other = one[["age", "state", "rate"]].iloc[::-1]
    assert sampling().sample(one, "x").tolist() == sampling().sample(other, "x").tolist()
    assert sampling().sample(one, "x")[0].ravel().tolist() == list(range(9))


def test_a_frame_that_lacks_a_level_is_refused() -> None:
    message = refusal(lambda: sampling().sample(BY_STATE.iloc[:2], "vehicle/Weekly/reach_1"))
    assert message.startswith("Weekly/reach_1: ")
    assert "`unknown` included; add the missing rows" in message


def test_a_frame_that_gives_a_level_twice_is_refused() -> None:
    twice = pd.concat([BY_STATE, BY_STATE.iloc[:1]])
    assert "given twice; keep one row per cell" in refusal(lambda: sampling().sample(twice, "x"))


def test_a_frame_with_a_strange_level_is_refused() -> None:
    strange = BY_STATE.replace("NY", "New York")
    message = refusal(lambda: sampling().sample(strange, "x"))
    assert "'New York' is no level of state" in message
    assert "CA, NY, unknown" in message


def test_a_frame_by_an_axis_that_the_grid_lacks_is_refused() -> None:
    strange = BY_STATE.rename(columns={"state": "province"})
    assert "province" in refusal(lambda: sampling().sample(strange, "x"))


# --- streams -------------------------------------------------------------------------------
def test_the_same_seed_and_label_give_the_same_draws() -> None:
    law = lognormal(mean=1, sd=1)
    assert sampling().sample(law, "a").tolist() == sampling().sample(law, "a").tolist()


def test_another_label_gives_other_draws() -> None:
    law = lognormal(mean=1, sd=1)
    assert not np.isin(sampling().sample(law, "a"), sampling().sample(law, "b")).any()


def test_another_seed_gives_other_draws() -> None:
    law = lognormal(mean=1, sd=1)
    assert not np.isin(sampling().sample(law, "a"), sampling(seed=8).sample(law, "a")).any()


def test_a_labels_draws_do_not_depend_on_what_was_drawn_before() -> None:
    law, shared = lognormal(mean=1, sd=1), sampling()
    shared.sample(law, "b")
    assert shared.sample(law, "a").tolist() == sampling().sample(law, "a").tolist()


def test_draws_leave_the_global_random_state_alone() -> None:
    before = np.random.get_state()[1].tolist()  # noqa: NPY002 -- the global state is the point
    sampling().sample(stats.beta(2, 3), "a")
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


@pytest.mark.parametrize(
    ("draws", "seed"), [(0, 0), (-1, 0), (10**6 + 1, 0), (10.5, 0), ("10", 0), (10, -1), (10, 1.5)]
)
def test_impossible_draws_and_seeds_are_refused(draws: int, seed: int) -> None:
    assert "draws must be a whole number" in refusal(lambda: sampling(draws=draws, seed=seed))


# --- sources held still --------------------------------------------------------------------
@pytest.mark.parametrize("label", sorted(SOURCES))
def test_a_source_that_is_held_still_is_at_its_mean_in_every_draw(label: str) -> None:
    held = sampling(still=frozenset({SOURCES[label]}))
    found = held.sample(beta(mean=0.2, sd=0.1), f"{label}/Weekly/rate")
    assert found.ravel().tolist() == [0.2] * 50


@pytest.mark.parametrize("label", sorted(SOURCES))
def test_the_draws_of_other_sources_are_bit_by_bit_those_of_before(label: str) -> None:
    others = sampling(still=EVERY_SOURCE - {SOURCES[label]})
    law = beta(mean=0.2, sd=0.1)
    assert others.sample(law, label).tolist() == sampling().sample(law, label).tolist()


@pytest.mark.parametrize(
    "law",
    [
        beta(mean=0.2, sd=0.1),
        lognormal(mean=3.0, sd=2.0),
        Uniform(low=-1.0, high=3.0),
        Scaled(law=beta(mean=0.2, sd=0.1), factor=0.5),
        stats.beta(4, 56),
        stats.binom(10, 0.3),
    ],
    ids=["beta", "lognormal", "uniform", "scaled", "scipy", "discrete"],
)
def test_a_law_that_is_held_still_is_its_mean(law: Law) -> None:
    assert drawn(law, 3, Still()).tolist() == pytest.approx([float(law.mean())] * 3)


def test_normals_that_are_held_still_are_zero_and_choices_the_first() -> None:
    assert Still().standard_normal() == 0
    assert Still().standard_normal((2, 3)).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert Still().standard_normal(size=2).tolist() == [0, 0]
    assert Still().integers(5, size=3).tolist() == [0, 0, 0]


def test_a_source_goes_by_the_first_word_of_a_label_alone() -> None:
    held = sampling(still=frozenset({SOURCES["direct"]}))
    assert isinstance(held.stream("direct/vehicle/delivered"), Still)
    assert not isinstance(held.stream("vehicle/direct/reach_1"), Still)
    assert not isinstance(held.stream("directed"), Still)


def test_figures_that_hold_for_everybody_are_held_still_too() -> None:
    plain = sampling(still=EVERY_SOURCE).plain
    assert plain.shape == ()
    assert plain.sample(Uniform(low=0, high=1), "dependence").tolist() == [0.5] * 50


# --- targets -------------------------------------------------------------------------------
def test_a_target_is_one_in_its_cells_and_zero_elsewhere() -> None:
    inside = sampling().mask({"state": ("CA",), "age": ("young", "unknown")})
    expected = np.zeros((3, 3))
    expected[0, [0, 2]] = 1
    assert np.broadcast_to(inside, (3, 3)).tolist() == expected.tolist()


def test_without_a_target_everyone_is_inside() -> None:
    assert np.broadcast_to(sampling().mask({}), (3, 3)).tolist() == np.ones((3, 3)).tolist()
