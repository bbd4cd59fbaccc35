"""Members whom no record shows enter by a statement, exactly as stated."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.outside import Beyond
from dpnotice.analyst.rates import beta, lognormal
from dpnotice.analyst.sampling import Sampling
from dpnotice.errors import DpnoticeError

SAMPLING = Sampling(axes=(), draws=2_000, seed=3)


def test_without_a_statement_every_member_is_a_known_buyer() -> None:
    assert Beyond().members_per_known_buyer(SAMPLING).tolist() == [1.0]
    assert not Beyond().stated


def test_the_vector_of_the_notes_gives_one_and_three_quarters() -> None:
    beyond = Beyond(outside=0.2, users_per_buyer=1.4)
    assert beyond.members_per_known_buyer(SAMPLING) == pytest.approx([1.75])


def test_a_fifth_outside_at_media_reach_lowers_the_whole_as_the_formula_says() -> None:
    beyond = Beyond(outside=0.2, users_per_buyer=1.4)
    mixed = beyond.of_everyone(np.array([0.9]), np.array([0.6]), SAMPLING)
    assert mixed == pytest.approx([(0.8 * 0.9 + 0.6 * 0.6) / 1.4])


@given(st.floats(0, 0.99), st.floats(1, 5), st.floats(0, 1))
def test_a_figure_alike_for_everybody_stays(theta: float, h: float, figure: float) -> None:
    beyond = Beyond(outside=theta, users_per_buyer=h)
    mixed = beyond.of_everyone(np.array([figure]), np.array([figure]), SAMPLING)
    assert mixed == pytest.approx([figure], abs=1e-9)


def test_ends_are_mixed_end_by_end() -> None:
    beyond = Beyond(outside=beta(mean=0.2, sd=0.05))
    known, media = np.tile([0.4, 0.8], (2_000, 1)), np.tile([0.2, 0.3], (2_000, 1))
    mixed = beyond.of_everyone(known, media, SAMPLING)
    assert mixed.shape == (2_000, 2)
    assert (mixed[:, 0] < mixed[:, 1]).all()


def test_draws_of_a_law_below_one_count_as_one() -> None:
    beyond = Beyond(users_per_buyer=lognormal(mean=1.05, sd=0.5))
    assert beyond.members_per_known_buyer(SAMPLING).min() == 1.0


FRAME = pd.DataFrame({"state": ["CA"], "value": [0.2]})


@pytest.mark.parametrize(
    "stated",
    [
        {"outside": 1.0},
        {"outside": 20},
        {"outside": -0.1},
        {"outside": FRAME},
        {"users_per_buyer": 0.5},
        {"users_per_buyer": np.int64(0)},
        {"users_per_buyer": "two"},
        {"users_per_buyer": FRAME},
    ],
)
def test_an_impossible_statement_is_refused_by_name(stated: dict[str, object]) -> None:
    with pytest.raises(DpnoticeError, match=next(iter(stated))):
        Beyond(**stated)


def test_the_statements_are_told_in_words() -> None:
    lines = Beyond(outside=0.2, users_per_buyer=1.4).assumptions
    assert lines == [
        "purchasers in nobody's records: 0.2, composed like the known",
        "class members per purchaser: 1.4",
    ]
