from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dpnotice.analyst.direct import COOPERATION, MODES, SENDING, Direct
from dpnotice.analyst.rates import beta
from dpnotice.analyst.sampling import Sampling
from dpnotice.segments import Axis
from made.notices import direct, refusal

CONTACT = Axis(name="contact", levels=("email+post", "email", "post", "in_account", "none"))
STATE = Axis(name="state", levels=("CA",))
fractions = st.floats(0, 1)


def sampling(*axes: Axis, draws: int = 20) -> Sampling:
    return Sampling(axes=axes or (CONTACT,), draws=draws, seed=3)


def reach(notice: Direct) -> dict[str, float]:
    """Reach by contact level."""
    unseen = np.broadcast_to(notice.nonreach(sampling()), (20, len(CONTACT)))[0]
    return dict(zip(CONTACT.levels, (1 - unseen).tolist(), strict=True))


# --- the ladder ----------------------------------------------------------------------------
def test_of_100_000_identified_77_600_letters_arrive_after_re_mailing() -> None:
    """Post for 80,000; 6 % come back, and half of these find a new address."""
    identified = np.array([0, 0, 80_000, 0, 20_000, 0])
    notice = direct(mode="post", delivered=1 - 0.06, rescued=0.5, seen=1.0)
    assert identified @ (1 - notice.nonreach(sampling())[0]) == pytest.approx(77_600)


@given(fractions, fractions, fractions)
def test_re_mailing_delivers_a_share_of_what_came_back(
    delivered: float, rescued: float, seen: float
) -> None:
    got = reach(direct(mode="post", delivered=delivered, rescued=rescued, seen=seen))
    assert got["post"] == pytest.approx((delivered + (1 - delivered) * rescued) * seen)
    assert got["none"] == 0


@given(fractions, fractions, fractions)
def test_after_a_bounce_it_is_the_letter_that_is_re_mailed(
    email: float, post: float, rescued: float
) -> None:
    got = reach(
        direct(
            mode="email_then_post", delivered=email, delivered_post=post, rescued=rescued, seen=1.0
        )
    )
    letter = post + (1 - post) * rescued
    assert got["email"] == pytest.approx(email)
    assert got["post"] == pytest.approx(letter)
    assert got["email+post"] == pytest.approx(email + (1 - email) * letter)


def test_a_rescue_of_nothing_changes_nothing() -> None:
    law = beta(mean=0.9, sd=0.05)
    plain, none = (
        direct(mode="post", delivered=law, **more).nonreach(sampling())
        for more in ({}, {"rescued": 0.0})
    )
    assert none == pytest.approx(plain)


@pytest.mark.parametrize(
    ("mode", "levels"),
    [
        ("email", {"email+post", "email"}),
        ("post", {"email+post", "post"}),
        ("in_account", {"in_account"}),
    ],
)
def test_a_mode_reaches_only_the_contact_levels_that_name_it(mode: str, levels: set[str]) -> None:
    got = reach(direct(mode=mode))
    assert {level for level, value in got.items() if value > 0} == levels
    assert all(got[level] == pytest.approx(0.45) for level in levels)


def test_usable_contact_is_one_where_a_channel_of_the_mode_is_named() -> None:
    assert direct(mode="email").usable(CONTACT).tolist() == [1, 1, 0, 0, 0, 0]


def test_email_then_post_can_use_either_address() -> None:
    notice = direct(mode="email_then_post", delivered_post=0.8)
    assert notice.usable(CONTACT).tolist() == [1, 1, 1, 0, 0, 0]


def test_a_channel_is_a_whole_word_of_the_contact_level() -> None:
    contact = Axis(name="contact", levels=("emailed", "post office", "email"))
    assert direct(mode="email").usable(contact).tolist() == [0, 0, 1, 0]


@given(fractions, fractions, fractions)
def test_email_then_post_sends_a_letter_where_email_bounced_or_is_missing(
    email: float, post: float, seen: float
) -> None:
    got = reach(direct(mode="email_then_post", delivered=email, delivered_post=post, seen=seen))
    assert got["email"] == pytest.approx(email * seen)
    assert got["post"] == pytest.approx(post * seen)
    assert got["email+post"] == pytest.approx((email + (1 - email) * post) * seen)
    assert got["in_account"] == got["none"] == got["unknown"] == 0


@given(fractions, fractions, fractions)
def test_more_delivered_never_lowers_reach(one: float, other: float, seen: float) -> None:
    few, many = (reach(direct(delivered=d, seen=seen))["email"] for d in sorted((one, other)))
    assert few <= many


@given(st.sampled_from(sorted(MODES)), fractions, fractions, fractions)
def test_the_chance_of_not_seeing_it_is_a_fraction(
    mode: str, delivered: float, seen: float, post: float
) -> None:
    letter = post if mode == "email_then_post" else None
    notice = direct(mode=mode, delivered=delivered, seen=seen, delivered_post=letter)
    unseen = notice.nonreach(sampling())
    assert ((unseen >= 0) & (unseen <= 1)).all()


def test_an_uncertain_rate_is_one_draw_for_all_cells() -> None:
    unseen = direct(delivered=beta(mean=0.9, sd=0.05)).nonreach(sampling(STATE, CONTACT))
    both = np.broadcast_to(unseen, (20, 2, 6))
    assert (both[:, 0, 0] == both[:, 1, 1]).all()
    assert len(np.unique(both[:, 0, 0])) == 20


def test_a_rate_may_vary_by_an_axis() -> None:
    rates = pd.DataFrame({"state": ["CA", "unknown"], "delivered": [0.9, 0.4]})
    unseen = direct(delivered=rates, seen=1.0).nonreach(sampling(STATE, CONTACT))
    assert unseen[0, :, 1].tolist() == pytest.approx([0.1, 0.6])


@pytest.mark.parametrize("cooperation", SENDING)
def test_contact_is_always_among_the_axes_of_what_is_sent(cooperation: str) -> None:
    assert direct(cooperation=cooperation).sends
    assert direct(cooperation=cooperation).axes == ("contact",)


@pytest.mark.parametrize("cooperation", ["dp_counts_only", "none"])
def test_who_only_counts_or_does_nothing_sends_nothing_and_varies_by_nothing(
    cooperation: str,
) -> None:
    rates = pd.DataFrame({"state": ["CA", "unknown"], "delivered": [0.9, 0.4]})
    notice = direct(cooperation=cooperation, delivered=rates)
    assert not notice.sends
    assert notice.axes == ()


@pytest.mark.parametrize("field", ["delivered", "rescued", "seen"])
def test_the_axes_of_its_frames_are_its_axes(field: str) -> None:
    rates = pd.DataFrame({"state": ["CA", "unknown"], "rate": [0.9, 0.4]})
    assert set(direct(mode="post", **{field: rates}).axes) == {"contact", "state"}


def test_the_name_tells_retailer_and_mode() -> None:
    assert direct(mode="email_then_post", delivered_post=0.9).name == "sephora email then post"


# --- refusals ------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", ["sms", "", None, ["email"]])
def test_an_unknown_mode_is_refused_with_the_choice(bad: object) -> None:
    assert "mode must be one of email, post, email_then_post, in_account" in refusal(
        lambda: direct(mode=bad)
    )


@pytest.mark.parametrize("bad", ["", "None", "counts", None, ["none"]])
def test_an_unknown_cooperation_is_refused_with_the_choice(bad: object) -> None:
    assert f"cooperation must be one of {', '.join(COOPERATION)}" in refusal(
        lambda: direct(cooperation=bad)
    )


@pytest.mark.parametrize("field", ["delivered", "seen"])
def test_a_rate_in_percent_is_asked_about(field: str) -> None:
    words = f"{field} must be a fraction in [0, 1], got 93; percentages?"
    assert refusal(lambda: direct(**{field: 93})) == f"PERCENTAGES: sephora: {words}"


def test_a_letters_rate_in_percent_is_asked_about() -> None:
    assert "delivered_post must be a fraction" in refusal(
        lambda: direct(mode="email_then_post", delivered_post=97)
    )


@pytest.mark.parametrize("field", ["delivered", "seen"])
@pytest.mark.parametrize("bad", ["0.9", True, float("nan")])
def test_a_rate_that_is_no_number_is_refused(field: str, bad: object) -> None:
    assert f"{field} must be a" in refusal(lambda: direct(**{field: bad}))


@pytest.mark.parametrize("mode", ["email", "in_account"])
def test_nothing_is_re_mailed_where_no_letter_is_sent(mode: str) -> None:
    assert "rescued is a share of letters that come back" in refusal(
        lambda: direct(mode=mode, rescued=0.5)
    )


def test_a_rescue_in_percent_is_asked_about() -> None:
    assert "rescued must be a fraction in [0, 1], got 50; percentages?" in refusal(
        lambda: direct(mode="post", rescued=50)
    )


def test_email_then_post_needs_the_letters_rate() -> None:
    assert "delivered_post is the letter's rate" in refusal(lambda: direct(mode="email_then_post"))


def test_the_letters_rate_belongs_to_email_then_post_only() -> None:
    assert "there and only there" in refusal(lambda: direct(delivered_post=0.9))


@pytest.mark.parametrize("bad", [-1, "0.5", float("inf"), float("nan"), True])
def test_a_price_below_zero_or_of_no_number_is_refused(bad: object) -> None:
    assert "unit_cost_usd must be 0 or more" in refusal(lambda: direct(unit_cost_usd=bad))


@pytest.mark.parametrize("bad", ["", None, 3])
def test_a_retailer_is_named_by_a_line_of_text(bad: Any) -> None:
    assert "retailer must be a line of text" in refusal(
        lambda: Direct(bad, mode="email", cooperation="sends_itself", delivered=1, seen=1)
    )


@pytest.mark.parametrize("missing", ["mode", "cooperation", "delivered", "seen"])
def test_no_rate_or_arrangement_has_a_default(missing: str) -> None:
    fields = {"mode": "email", "cooperation": "sends_itself", "delivered": 0.9, "seen": 0.5}
    del fields[missing]
    with pytest.raises(TypeError, match=missing):
        Direct("sephora", **fields)
