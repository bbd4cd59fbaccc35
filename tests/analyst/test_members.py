import json
import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import scipy.stats
from matplotlib.figure import Figure

import dpnotice as dn
from dpnotice.analyst.cells import MODEL_BASED
from dpnotice.analyst.combine import estimate_class
from dpnotice.analyst.members import ClassEstimate
from dpnotice.analyst.parts import indicator
from dpnotice.analyst.smoothing import smooth
from dpnotice.errors import DpnoticeError, EstimateError, InquiryError, PlanError, ReleaseError
from dpnotice.inquiry import Inquiry
from dpnotice.privacy import Noise
from dpnotice.release import Release
from dpnotice.reporting.maps import STATES as STATE_PLACES
from dpnotice.result import SUMMARY_COLUMNS, Result
from made import releases

Floats = Any
TABLES = ((), ("state",), ("age", "contact"))
STATES = np.array([600_000, 300_000, 100_000])  # CA, NY, unknown
CONTACTS = np.array(
    [[300_000, 100_000, 50_000], [250_000, 150_000, 50_000], [50_000, 30_000, 20_000]]
)
COUNTS = {(): 1_000_000, ("state",): STATES, ("age", "contact"): CONTACTS}


def inquiry(tables: Sequence[tuple[str, ...]] = TABLES, **changes: Any) -> Inquiry:
    plain = {
        "axes": {"state": ["CA", "NY"], "age": ["young", "old"], "contact": ["email", "post"]},
        "tables": [{"of": list(of)} for of in tables],
        "privacy": {"epsilon": "100000"},
    }
    return releases.wen(**(plain | changes))


def release(
    retailer: str = "sephora",
    counts: Mapping[tuple[str, ...], Any] = COUNTS,
    *,
    scale: float = 4.0,
    attempt: int = 0,
    asked: Inquiry | None = None,
) -> Release:
    asked = inquiry() if asked is None else asked
    return releases.release(asked, counts, scale, retailer=retailer, attempt=attempt)


def totals(*sizes: int, scale: float = 4.0, **knows: Any) -> ClassEstimate:
    asked = inquiry([()])
    given_ = [
        release(f"shop{i:02}", {(): size}, scale=scale, asked=asked) for i, size in enumerate(sizes)
    ]
    return estimate_class(given_, **knows)


ONE = estimate_class([release()])
HALF = {of: np.asarray(y) // 2 for of, y in COUNTS.items()}
TWO = estimate_class([release(), release("ulta", HALF)])
OUTSIDE = {"outside": 0.2, "users_per_buyer": 1.4}
CLASS = estimate_class([release()], **OUTSIDE)
EVERY = pytest.mark.parametrize(
    "members",
    [ONE, TWO, CLASS, estimate_class([release(), release("ulta", HALF)], **OUTSIDE)],
    ids=["one", "two", "one with outside", "two with outside"],
)


def exact(**knows: Any) -> ClassEstimate:
    return estimate_class([release(scale=0.05)], **knows)


# --- size ----------------------------------------------------------------------------------
def test_the_size_of_one_retailer_is_a_point_inside_its_interval() -> None:
    size = ONE.size()
    assert size.estimate == pytest.approx(1_000_000)
    assert size.lower < 1_000_000 < size.upper


def test_the_size_of_several_retailers_has_no_point() -> None:
    assert TWO.size().estimate is None


def test_the_size_of_several_retailers_lies_between_the_largest_and_the_sum() -> None:
    size = TWO.size()
    assert 999_950 < size.lower <= 1_000_000
    assert 1_500_000 <= size.upper < 1_500_050


def test_a_note_says_why_there_is_no_point() -> None:
    assert TWO.size().note == "bounds: the overlap between retailers is not known"


def test_the_size_says_its_level_and_unit() -> None:
    size = ONE.size(0.9)
    assert (size.level, size.unit) == (0.9, "persons")


def test_a_higher_level_is_wider() -> None:
    assert ONE.size(0.99).upper > ONE.size(0.8).upper


def test_known_buyers_become_members_by_users_per_buyer_and_outside() -> None:
    # N = U h / (1 - theta) = 1,000,000 * 1.4 / 0.8
    assert exact(**OUTSIDE).size().estimate == pytest.approx(1_750_000, abs=1e-3)


@pytest.mark.parametrize(
    ("knows", "members"), [({"outside": 0.2}, 1_250_000), ({"users_per_buyer": 1.4}, 1_400_000)]
)
def test_either_assumption_alone_is_enough(knows: dict[str, float], members: float) -> None:
    assert exact(**knows).size().estimate == pytest.approx(members, abs=1e-3)


def test_bounds_of_several_retailers_are_raised_by_the_same_factor() -> None:
    size = totals(1_000_000, 500_000, scale=0.05, **OUTSIDE).size()
    assert [size.lower, size.upper] == pytest.approx([1_750_000, 2_625_000], abs=1)


def test_ends_are_rounded_inward_with_an_outside_too() -> None:
    size = exact(**OUTSIDE).size()
    assert (size.lower, size.upper) == (1_750_000, 1_750_000)


def test_an_uncertain_outside_widens_the_size() -> None:
    sure, unsure = (exact(outside=t).size() for t in (0.2, dn.beta(mean=0.2, sd=0.05)))
    assert unsure.upper - unsure.lower > sure.upper - sure.lower + 100_000


def test_a_frozen_scipy_law_is_an_outside() -> None:
    size = exact(outside=scipy.stats.uniform(0.1, 0.2)).size()
    assert 1_000_000 / 0.9 < size.lower < size.upper < 1_000_000 / 0.7


def test_two_attempts_of_one_retailer_are_one_retailer() -> None:
    both = estimate_class([release(), release(attempt=1)])
    assert both.size().estimate == pytest.approx(1_000_000)


def test_two_attempts_have_half_the_variance() -> None:
    query = ((), np.array(1.0))
    once = ONE.retailers[0].query(*query)[1].variance
    twice = estimate_class([release(), release(attempt=1)]).retailers[0].query(*query)[1].variance
    assert twice == pytest.approx(once / 2)


def test_bounds_need_no_assumption_on_the_outside() -> None:
    assert CLASS.bounds() == ONE.size()


def test_bounds_speak_of_known_buyers() -> None:
    assert CLASS.bounds().quantity == "number of known buyers"


# --- the law of the noise, where something is said of the others ---------------------------
def test_an_outside_of_nothing_keeps_the_laplace_quantile() -> None:
    # normal draws would give 1.96 s.d., which covers 93.8 %
    plain = totals(10_000, scale=64.0).size()
    known = totals(10_000, scale=64.0, outside=0.0).size()
    assert known.lower <= plain.lower + 2
    assert known.upper >= plain.upper - 2


def test_at_99_percent_an_outside_of_nothing_keeps_the_laplace_quantile() -> None:
    plain = totals(10_000, scale=64.0).size(0.99)
    known = totals(10_000, scale=64.0, outside=0.0).size(0.99)
    assert known.upper >= plain.upper - 5


def test_an_outside_of_nothing_keeps_the_simultaneous_lower_limit() -> None:
    # twenty retailers with the same customers: the largest noisy count lies above the truth
    rng, n, hits, runs = np.random.default_rng(6), 5_000, 0, 60
    for _ in range(runs):
        noisy = n + rng.geometric(1 / 16.5, 20) - rng.geometric(1 / 16.5, 20)
        hits += totals(*map(int, noisy), scale=16.0, outside=0.0).size().lower <= n
    # at 97.5 % coverage, below 49 of 60 less than once in a million runs
    assert hits >= 49


@pytest.mark.parametrize("sizes", [[0], [-9, -14], [-30] * 12 + [5]])
def test_ends_are_in_order_and_not_negative_with_an_outside(sizes: list[int]) -> None:
    size = totals(*sizes, outside=0.2).size()
    assert 0 <= size.lower <= size.upper


@pytest.mark.parametrize("sizes", [[0], [-9, -14], [-30] * 12 + [5]])
def test_ends_are_in_order_and_not_negative_without_one(sizes: list[int]) -> None:
    size = totals(*sizes).size()
    assert 0 <= size.lower <= size.upper


# --- counts --------------------------------------------------------------------------------
def test_a_count_takes_one_level() -> None:
    assert exact().count(state="CA").estimate == pytest.approx(600_000, abs=0.01)


def test_a_count_takes_several_levels() -> None:
    got = exact().count(state=["CA", "unknown"]).estimate
    assert got == pytest.approx(700_000, abs=0.01)


def test_a_count_takes_several_axes_whatever_their_order() -> None:
    one = exact().count(contact="email", age=["young", "old"]).estimate
    other = exact().count(age=["old", "young"], contact="email").estimate
    assert one == pytest.approx(550_000, abs=0.01)
    assert other == pytest.approx(one)


def test_a_count_without_a_part_is_the_size() -> None:
    assert ONE.count() == ONE.size()


def test_a_count_names_its_part() -> None:
    assert ONE.count(state=["CA", "NY"]).segment == "state CA or NY"


def test_counts_of_all_levels_sum_to_the_size() -> None:
    cells = [ONE.count(state=level).estimate for level in ("CA", "NY", "unknown")]
    assert sum(c for c in cells if c is not None) == pytest.approx(ONE.size().estimate)


def test_a_negative_small_cell_keeps_its_point_and_clips_its_interval() -> None:
    counts = COUNTS | {("state",): np.array([1_000_006, 0, -6])}
    count = estimate_class([release(counts=counts)]).count(state="unknown")
    assert count.estimate is not None
    assert count.estimate < 0
    assert count.lower == 0


def test_a_count_of_several_retailers_is_the_pair_of_bounds() -> None:
    count = TWO.count(state="NY")
    assert count.estimate is None
    assert 299_900 < count.lower <= 300_000
    assert 450_000 <= count.upper < 450_100


# --- shares --------------------------------------------------------------------------------
def test_a_share_counts_unknown_in_its_denominator() -> None:
    assert ONE.share(state="CA").estimate == pytest.approx(0.6, abs=1e-4)


def test_shares_of_an_axis_sum_to_one() -> None:
    shares = [ONE.share(state=level).estimate for level in ("CA", "NY", "unknown")]
    assert sum(s for s in shares if s is not None) == pytest.approx(1)


def test_a_share_is_a_fraction_of_the_population() -> None:
    share = ONE.share(contact=["email", "post"])
    assert (share.unit, share.quantity) == ("fraction", "share of known buyers")


def test_a_share_that_the_noise_hides_has_no_point_and_says_so() -> None:
    counts = {(): 3, ("state",): [2, 1, 0], ("age", "contact"): np.zeros((3, 3))}
    share = estimate_class([release(counts=counts)]).share(state="CA")
    assert (share.estimate, share.lower, share.upper) == (None, 0.0, 1.0)
    assert share.note.startswith("cannot be determined from this release")


def test_a_share_of_several_retailers_is_a_pair_of_bounds() -> None:
    # parts 300,000 and 150,000; rests 700,000 and 350,000
    share = TWO.share(state="NY")
    assert share.estimate is None
    assert share.lower == pytest.approx(300 / (300 + 1050), abs=1e-3)
    assert share.upper == pytest.approx(450 / (450 + 700), abs=1e-3)


def test_contact_may_differ_between_retailers() -> None:
    share = TWO.share(contact="email")
    assert share.upper == pytest.approx(900 / 1000, abs=1e-3)


def test_a_share_without_a_part_is_refused() -> None:
    with pytest.raises(EstimateError, match="share needs a part, for instance"):
        ONE.share()


def test_a_share_of_hardly_noisy_tables_is_a_point() -> None:
    share = estimate_class([release(scale=0.04)]).share(state="CA")
    assert share.estimate == pytest.approx(0.6)
    assert share.upper - share.lower < 1e-3


# --- frames --------------------------------------------------------------------------------
NUMBERS = ["estimate", "lower", "upper", "level", "unit"]


@EVERY
def test_by_has_a_column_per_axis_and_then_the_numbers(members: ClassEstimate) -> None:
    assert list(members.by("age", "contact").columns) == ["age", "contact", *NUMBERS]


@EVERY
def test_by_has_a_row_per_cell(members: ClassEstimate) -> None:
    frame = members.by("age", "contact")
    assert len(frame) == 9
    assert list(frame["age"].unique()) == ["young", "old", "unknown"]


def test_by_keeps_the_order_in_which_axes_are_asked() -> None:
    frame = exact().by("contact", "age").set_index(["contact", "age"])["estimate"]
    assert list(frame.index.names) == ["contact", "age"]
    assert frame["post", "young"] == pytest.approx(100_000, abs=0.01)


def test_unclipped_cells_of_by_sum_to_the_size() -> None:
    assert ONE.by("age", "contact")["estimate"].sum() == pytest.approx(ONE.size().estimate)


def test_by_agrees_with_count() -> None:
    row = ONE.by("state", level=0.9).iloc[1]
    count = ONE.count(state="NY", level=0.9)
    assert row.estimate == pytest.approx(count.estimate)
    assert [row.lower, row.upper, row.level] == [count.lower, count.upper, 0.9]


@pytest.mark.parametrize("frame", [TWO.by("state"), TWO.overlap().iloc[2:], TWO.summary().iloc[:1]])
def test_bounds_without_a_point_are_nan_in_a_frame(frame: pd.DataFrame) -> None:
    assert frame["estimate"].isna().all()
    assert frame["estimate"].dtype.kind == "f"


@EVERY
def test_by_retailer_counts_buyers(members: ClassEstimate) -> None:
    frame = members.by("retailer")
    assert list(frame.columns) == ["retailer", *NUMBERS]
    assert list(frame["unit"].unique()) == ["buyers"]


def test_by_retailer_has_a_row_per_retailer() -> None:
    assert list(TWO.by("retailer")["retailer"]) == ["sephora", "ulta"]


def test_the_frame_of_the_class_is_its_buyers() -> None:
    pd.testing.assert_frame_equal(TWO.to_frame(), TWO.by("retailer"))


def test_overlap_has_a_row_per_set_of_retailers() -> None:
    frame = TWO.overlap()
    assert list(frame.columns) == ["retailers", "size", *NUMBERS]
    assert list(frame["retailers"]) == ["sephora", "ulta", "sephora + ulta"]
    assert list(frame["size"]) == [1, 1, 2]


@EVERY
def test_the_summary_has_exactly_the_agreed_columns(members: ClassEstimate) -> None:
    assert tuple(members.summary().columns) == SUMMARY_COLUMNS


def test_the_summary_holds_size_buyers_and_every_share_that_can_be_estimated() -> None:
    frame = TWO.summary()
    assert list(frame["quantity"][:3]) == ["number of known buyers", "buyers", "buyers"]
    assert list(frame["segment"][3:6]) == ["state CA", "state NY", "state unknown"]
    assert len(frame) == 3 + 9


def test_the_summary_leaves_out_an_axis_that_no_table_holds() -> None:
    members = estimate_class([release(asked=inquiry([(), ("state",)]))])
    assert not any("contact" in segment for segment in members.summary()["segment"])


def test_the_first_row_of_the_summary_is_the_size() -> None:
    row, size = ONE.summary().iloc[0], ONE.size()
    assert [row.lower, row.upper, row.unit] == [size.lower, size.upper, "persons"]


# --- frames: cell by cell ------------------------------------------------------------------
SIZED = {
    (): 41_203,
    ("state",): [27_011, 12_995, 1_222],
    ("age", "contact"): [[18_020, 9_001, 30], [6_903, 4_411, 2_002], [811, -3, 12]],
}
SCALES = {(): 9.0, ("state",): 6.5, ("age", "contact"): 13.25}
STATED = {
    "nothing": {},
    "numbers": OUTSIDE,
    "a law": {"outside": scipy.stats.uniform(0.1, 0.2), "users_per_buyer": 1.1},
}
MARGINALS = [("state",), ("contact", "age"), ("age",), ("contact",)]


def uneven(retailers: int, **knows: Any) -> ClassEstimate:
    """Retailers with noise that differs by table and counts that differ by retailer."""
    given_ = [
        releases.release(
            inquiry(),
            {of: np.asarray(y) * (3 + i) // 3 for of, y in SIZED.items()},
            {of: scale + i for of, scale in SCALES.items()},
            retailer=f"shop{i}",
        )
        for i in range(retailers)
    ]
    return estimate_class(given_, **knows)


@pytest.mark.parametrize("knows", STATED.values(), ids=STATED)
@pytest.mark.parametrize("retailers", [1, 3])
@pytest.mark.parametrize("names", MARGINALS)
def test_by_is_count_cell_by_cell(
    names: tuple[str, ...], retailers: int, knows: dict[str, Any]
) -> None:
    members = uneven(retailers, **knows)
    for _, row in members.by(*names, level=0.9).iterrows():
        count = members.count(level=0.9, **{name: row[name] for name in names})
        assert (row["lower"], row["upper"]) == (count.lower, count.upper)
        assert (count.estimate is None) == math.isnan(row["estimate"])
        assert count.estimate is None or row["estimate"] == pytest.approx(count.estimate, rel=1e-9)


def test_by_contact_is_of_known_buyers_even_where_others_are_stated() -> None:
    stated, plain = (uneven(1, **knows).by("contact") for knows in (OUTSIDE, {}))
    pd.testing.assert_frame_equal(stated, plain)


def test_fifty_thousand_cells_take_less_than_a_second() -> None:
    levels = {"place": [f"p{n}" for n in range(249)], "kind": [f"k{n}" for n in range(199)]}
    asked = inquiry([(), ("place",), ("place", "kind")], axes=levels)
    full = np.random.default_rng(1).poisson(3.0, (250, 200))
    members = estimate_class([releases.noisy_release(asked, full, scale=4.0)])
    taken = []
    for _ in range(2):  # a shared machine may interrupt one of them
        start = time.process_time()
        assert len(members.by("place", "kind")) == 50_000
        taken.append(time.process_time() - start)
    assert min(taken) < 1.0


# --- intervals that hold together ----------------------------------------------------------
@pytest.mark.parametrize("knows", STATED.values(), ids=STATED)
@pytest.mark.parametrize("retailers", [1, 3])
@pytest.mark.parametrize("names", [*MARGINALS, ("retailer",)])
def test_simultaneous_intervals_contain_the_individual_ones(
    names: tuple[str, ...], retailers: int, knows: dict[str, Any]
) -> None:
    members = uneven(retailers, **knows)
    alone, together = (members.by(*names, simultaneous=both) for both in (False, True))
    assert (together["lower"] <= alone["lower"]).all()
    assert (alone["upper"] <= together["upper"]).all()


@pytest.mark.parametrize("retailers", [1, 3])
@pytest.mark.parametrize("names", [*MARGINALS, ("retailer",)])
def test_simultaneous_intervals_are_those_of_a_share_of_the_level(
    names: tuple[str, ...], retailers: int
) -> None:
    members = uneven(retailers, **OUTSIDE)
    together = members.by(*names, level=0.9, simultaneous=True)
    each = members.by(*names, level=1 - (1 - 0.9) / len(together))
    pd.testing.assert_frame_equal(together.drop(columns="level"), each.drop(columns="level"))


def test_simultaneous_intervals_say_the_level_at_which_they_hold_together() -> None:
    assert set(ONE.by("state", level=0.9, simultaneous=True)["level"]) == {0.9}
    assert set(TWO.by("retailer", level=0.9, simultaneous=True)["level"]) == {0.9}


def test_simultaneous_intervals_of_several_cells_are_wider() -> None:
    alone, together = (ONE.by("age", "contact", simultaneous=both) for both in (False, True))
    assert (together["upper"] > alone["upper"]).all()


def test_simultaneous_intervals_hold_together_as_often_as_they_say() -> None:
    """400 releases at 95 %: below the bound less than once in a million runs; seeded.

    Nine cells at 95 % each hold together in some 65 %.
    """
    rng, hits, runs = np.random.default_rng(2), 0, 400
    asked, counts = inquiry([("age", "contact")]), CONTACTS
    for _ in range(runs):
        noisy = {("age", "contact"): counts + releases.laplace(rng, 40.0, (3, 3))}
        members = estimate_class([release(counts=noisy, scale=40.0, asked=asked)])
        found, truth = members.by("age", "contact", simultaneous=True), counts.ravel()
        hits += bool(((found["lower"] <= truth) & (truth <= found["upper"])).all())
    assert hits >= scipy.stats.binom.ppf(1e-6, runs, 0.95)


# --- maps ----------------------------------------------------------------------------------
@pytest.mark.parametrize("knows", STATED.values(), ids=STATED)
@pytest.mark.parametrize("retailers", [1, 3])
@pytest.mark.parametrize("names", MARGINALS)
def test_a_map_holds_the_numbers_of_by(
    names: tuple[str, ...], retailers: int, knows: dict[str, Any]
) -> None:
    members = uneven(retailers, **knows)
    shown = members.map(*names, level=0.9).to_frame()
    pd.testing.assert_frame_equal(shown.drop(columns="note"), members.by(*names, level=0.9))


@pytest.mark.parametrize("smoothed", [False, True])
def test_a_map_keeps_the_order_in_which_axes_are_asked(smoothed: bool) -> None:  # noqa: FBT001 -- a case
    one = ONE.map("contact", "age", smoothed=smoothed)
    other = ONE.map("age", "contact", smoothed=smoothed)
    assert list(one.to_frame().columns[:2]) == ["contact", "age"]
    assert one.plot_data()["rows"] == ["email", "post", "unknown"]
    assert other.plot_data()["rows"] == ["young", "old", "unknown"]
    assert one.estimate == pytest.approx(other.estimate.T)
    assert np.array_equal(one.lower, other.lower.T)


def test_a_map_of_cells_is_titled_by_its_population() -> None:
    assert ONE.map("state").title == "number of known buyers"
    assert CLASS.map("state").title == "number of class members"
    assert CLASS.map("contact").title == "number of known buyers"
    assert CLASS.map("age", "contact").title == "number of known buyers"


@pytest.mark.parametrize("smoothed", [False, True])
def test_only_a_smoothed_map_says_that_it_is_model_based(smoothed: bool) -> None:  # noqa: FBT001 -- a case
    made = ONE.map("age", "contact", smoothed=smoothed)
    forms = [
        made.to_frame().to_csv(),
        json.dumps(made.plot_data()),
        made.statement(),
        json.dumps(made.to_dict()),
        repr(made),
        made._repr_html_(),
    ]
    assert [MODEL_BASED in form for form in forms] == [smoothed] * 6


def test_smoothed_cells_of_several_retailers_are_refused() -> None:
    with pytest.raises(EstimateError, match="smoothed cells are of one retailer's known buyers"):
        TWO.map("state", smoothed=True)


def test_smoothed_cells_of_two_attempts_of_one_retailer_are_made() -> None:
    both = estimate_class([release(), release(attempt=1)])
    assert both.map("age", "contact", smoothed=True).note == MODEL_BASED


@pytest.mark.parametrize("smoothed", [False, True])
def test_a_map_without_an_axis_is_refused(smoothed: bool) -> None:  # noqa: FBT001 -- a case
    with pytest.raises(EstimateError, match="a map has one axis or more"):
        ONE.map(smoothed=smoothed)


def test_retailers_are_no_axis_of_a_map() -> None:
    with pytest.raises(EstimateError, match="must be different axes of the inquiry"):
        ONE.map("retailer")


@pytest.mark.parametrize("names", [("state",), ("age", "contact"), ("contact",)])
def test_smoothed_cells_are_shrunk_by_the_noise_of_their_own_marginal(
    names: tuple[str, ...],
) -> None:
    members = uneven(1)
    fit, made = members.retailers[0], members.map(*names, level=0.9, smoothed=True)
    expected = smooth(fit.marginal(names), fit.design.cell_error(names).sd, 0.9)
    assert np.allclose([made.estimate, made.lower, made.upper], expected)


def test_smoothing_narrows_a_sparse_cross_and_leaves_size_and_shares_alone() -> None:
    levels = {"place": [f"p{n}" for n in range(99)], "kind": [f"k{n}" for n in range(9)]}
    asked = inquiry([(), ("place", "kind")], axes=levels)
    full = np.random.default_rng(3).poisson(0.5, (100, 10))
    members = estimate_class([releases.noisy_release(asked, full, scale=4.0)])
    before = members.size()
    plain, shrunk = (members.map("place", "kind", smoothed=s) for s in (False, True))
    assert np.mean(shrunk.upper - shrunk.lower) < 0.5 * np.mean(plain.upper - plain.lower)
    assert np.mean((shrunk.estimate - full) ** 2) < 0.25 * np.mean((plain.estimate - full) ** 2)
    assert members.size() == before


@EVERY
def test_a_map_of_cells_is_strict_json(members: ClassEstimate) -> None:
    for plain in (members.map("state").plot_data(), members.map("age", "contact").to_dict()):
        assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_a_map_of_several_retailers_has_bounds_without_points() -> None:
    data = TWO.map("state").plot_data()
    assert data["estimate"] == [[None]] * 3
    assert data["lower"][0][0] <= 600_000
    assert data["upper"][0][0] >= 900_000


def test_an_axis_called_state_of_two_states_is_drawn_as_a_grid() -> None:
    ax = ONE.map("state").plot(Figure().add_subplot())
    assert [text.get_text() for text in ax.get_yticklabels()] == ["CA", "NY", "unknown"]


def test_an_axis_of_all_states_is_drawn_as_tiles() -> None:
    codes = [code for code in STATE_PLACES if code != "unknown"]
    asked = inquiry([("state",)], axes={"state": codes})
    members = estimate_class([release(counts={("state",): np.arange(53)}, asked=asked)])
    ax = members.map("state").plot(Figure().add_subplot())
    assert {text.get_text().split("\n")[0] for text in ax.texts} == set(STATE_PLACES)
    assert not ax.get_yticklabels()


# --- where the error comes from ------------------------------------------------------------
PARTS: list[dict[str, Any]] = [
    {},
    {"state": "CA"},
    {"state": ["CA", "unknown"]},
    {"age": "old", "contact": ["email", "post"]},
    {"contact": "post"},
]


def dense(members: ClassEstimate, where: dict[str, Any]) -> list[float]:
    """What each table adds to the variance, by least squares on the full cross."""
    fit, shape = members.retailers[0], (3, 3, 3)
    full, axes = np.eye(27).reshape(27, *shape), members.axes
    rows = [releases.marginal(inquiry(), one, of).ravel() for of in TABLES for one in full]
    blocks = [np.stack(rows[27 * i : 27 * (i + 1)], axis=1) for i in range(len(TABLES))]
    sds = [noise.sd for _, noise in fit.design.tables]
    scaled = np.concatenate([block / sd for block, sd in zip(blocks, sds, strict=True)])
    given_ = {name: [v] if isinstance(v, str) else v for name, v in where.items()}
    named = [[lv in given_.get(n, axes[n].levels) for lv in axes[n].levels] for n in axes]
    query = np.einsum("i,j,k->ijk", *np.array(named, dtype=float)).ravel()
    weights = np.linalg.pinv(scaled).T @ query  # on y / sd
    ends = np.cumsum([len(block) for block in blocks])[:-1]
    return [float(part @ part) for part in np.split(weights, ends)]


@pytest.mark.parametrize("where", PARTS, ids=str)
def test_each_table_adds_what_dense_least_squares_says(where: dict[str, Any]) -> None:
    members = uneven(1)
    added = members.explain(**where)["sd"].to_numpy() ** 2
    assert added == pytest.approx(dense(members, where), abs=1e-9)


@pytest.mark.parametrize("retailers", [1, 3])
@pytest.mark.parametrize("where", PARTS, ids=str)
def test_the_variances_of_an_explanation_sum_to_those_of_the_count(
    where: dict[str, Any], retailers: int
) -> None:
    members = uneven(retailers)
    frame, part = members.explain(**where), indicator(members.axes, where)
    for fit in members.retailers:
        mine = frame[frame["retailer"] == fit.retailer]
        variances, shares = mine["sd"].to_numpy() ** 2, mine["share_of_variance"].to_numpy()
        ((_, error),) = fit.products(part)
        assert variances.sum() == pytest.approx(error.variance)
        assert shares.sum() == pytest.approx(1)
        assert shares * error.variance == pytest.approx(variances)


def test_an_explanation_names_retailers_and_tables() -> None:
    frame = uneven(3).explain(state="CA")
    assert list(frame.columns) == [
        "retailer",
        "table",
        "noise_sd",
        "sd",
        "share_of_variance",
    ]
    assert list(frame["table"]) == ["total", "state", "age x contact"] * 3
    assert list(frame["retailer"]) == [f"shop{i}" for i in range(3) for _ in range(3)]


def test_an_explanation_gives_the_noise_of_each_tables_cells() -> None:
    laws = [Noise(law=inquiry().noise_law, scale=SCALES[of]) for of in TABLES]
    assert list(uneven(1).explain()["noise_sd"]) == pytest.approx([law.sd for law in laws])


def test_every_attempt_has_rows_of_its_own_in_an_explanation() -> None:
    frame = estimate_class([release(), release(attempt=1)]).explain(state="CA")
    assert len(frame) == 6
    assert frame["share_of_variance"].sum() == pytest.approx(1)
    assert list(frame["sd"][:3]) == pytest.approx(list(frame["sd"][3:]))


def test_a_table_that_says_nothing_of_a_part_adds_nothing() -> None:
    asked = inquiry([("state",), ("age", "contact")])
    made = estimate_class([release(asked=asked, scale=4.0)]).explain(state="CA")
    assert (made["sd"] > 0).all()  # both tell the total
    alone = inquiry([("state",)])
    assert list(estimate_class([release(asked=alone)]).explain()["share_of_variance"]) == [1.0]


def test_an_explanation_is_the_same_whatever_is_stated_of_others() -> None:
    pd.testing.assert_frame_equal(
        uneven(1).explain(contact="post"), uneven(1, **OUTSIDE).explain(contact="post")
    )


# --- draws ---------------------------------------------------------------------------------
def test_draws_of_one_retailer_are_a_vector() -> None:
    assert ONE.draws.shape == (20_000,)


def test_draws_of_several_retailers_are_pairs() -> None:
    assert TWO.draws.shape == (20_000, 2)


@EVERY
def test_draws_are_read_only(members: ClassEstimate) -> None:
    with pytest.raises(ValueError, match="read-only"):
        members.draws[0] = 0


@EVERY
def test_draws_are_the_same_each_time(members: ClassEstimate) -> None:
    assert np.array_equal(members.draws, members.draws)


def test_the_low_end_of_a_draw_is_never_above_its_high_end() -> None:
    draws = totals(3, -2, scale=9.0).draws
    assert (draws[:, 0] <= draws[:, 1]).all()


def test_draws_have_the_spread_of_the_noise() -> None:
    # 20,000 draws: an s.d. is known within 0.5 %
    draws = totals(10_000, scale=64.0).draws
    sd = Noise(law=inquiry().noise_law, scale=64.0).sd
    assert draws.std() == pytest.approx(sd, rel=0.03)


# --- words ---------------------------------------------------------------------------------
@pytest.mark.parametrize("members", [ONE, TWO])
def test_without_an_outside_sentences_say_known_buyers(members: ClassEstimate) -> None:
    assert "known buyers" in members.statement()
    assert "class members" not in members.statement()


@pytest.mark.parametrize("knows", [{"outside": 0.2}, {"users_per_buyer": 1.4}, OUTSIDE])
def test_with_an_outside_sentences_say_class_members(knows: dict[str, float]) -> None:
    statement = estimate_class([release(), release("ulta", HALF)], **knows).statement()
    assert "class members" in statement
    assert "known buyers" not in statement


def test_one_retailer_has_one_sentence_with_its_figure() -> None:
    assert exact(**OUTSIDE).statement().startswith("We estimate 1,750,000 class members (95%")


def test_several_retailers_have_a_sentence_without_a_figure() -> None:
    assert "no single figure is given" in TWO.statement()


@EVERY
def test_no_sentence_prints_a_missing_number(members: ClassEstimate) -> None:
    words = members.statement() + " ".join(members.assumptions) + members._repr_html_()
    assert not any(word in words for word in ("nan", "None", "inf<"))


def test_assumptions_say_what_each_release_cost() -> None:
    assert TWO.assumptions[0] == (
        "privacy loss per buyer: sephora: epsilon 100000; ulta: epsilon 100000"
    )


def test_assumptions_say_that_nothing_is_known_of_the_overlap() -> None:
    assert any("nothing is assumed about the overlap" in line for line in TWO.assumptions)


def test_assumptions_name_outside_and_users_per_buyer() -> None:
    lines = " / ".join(CLASS.assumptions)
    assert "0.2" in lines
    assert "1.4" in lines


# --- pictures and plain JSON ---------------------------------------------------------------
@EVERY
def test_every_class_answers_the_calls_of_a_result(members: ClassEstimate) -> None:
    assert isinstance(members, Result)


@EVERY
@pytest.mark.parametrize("call", ["plot_data", "to_dict"])
def test_plain_forms_are_strict_json(members: ClassEstimate, call: str) -> None:
    plain = getattr(members, call)()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain


def test_a_scipy_law_has_the_same_plain_form_in_every_process() -> None:
    plain = estimate_class([release()], outside=scipy.stats.beta(20, 80)).to_dict()
    assert " at 0x" not in json.dumps(plain)


def test_the_plain_form_names_inquiry_retailers_and_assumptions() -> None:
    plain = TWO.to_dict()
    assert plain["format"] == 1
    assert plain["inquiry"] == inquiry().digest
    assert plain["retailers"] == ["sephora", "ulta"]
    assert plain["assumptions"] == list(TWO.assumptions)


def test_the_picture_shows_the_numbers_of_the_summary() -> None:
    series = ONE.plot_data()["series"]
    shares = ONE.summary().iloc[2:]
    assert [s["label"] for s in series] == list(shares["segment"])
    assert [s["lower"] for s in series] == list(shares["lower"])


def test_plot_draws_into_the_given_axes() -> None:
    figure, ax = plt.subplots()
    assert ONE.plot(ax) is ax
    plt.close(figure)


def test_a_class_is_frozen() -> None:
    with pytest.raises(AttributeError):
        ONE.beyond = ONE.beyond  # type: ignore[misc]


# --- refusals ------------------------------------------------------------------------------
@pytest.mark.parametrize("bad", [[], [1], "x.release", [release(), None], [release(), release()]])
def test_what_is_no_list_of_releases_is_refused(bad: Any) -> None:
    with pytest.raises(ReleaseError, match=r"at least one release|appears twice"):
        estimate_class(bad)


@pytest.mark.parametrize("bad", [None, 5])
def test_what_is_no_collection_is_refused_in_the_projects_words(bad: Any) -> None:
    with pytest.raises(ReleaseError, match="at least one release"):
        estimate_class(bad)


def test_one_bare_release_is_accepted() -> None:
    assert estimate_class(release()).size() == ONE.size()  # type: ignore[arg-type]


@pytest.mark.parametrize("outside", [20, -0.1, 1.2, math.nan, math.inf, True, "0.2", [0.2]])
def test_an_outside_that_is_no_fraction_is_refused(outside: Any) -> None:
    with pytest.raises(PlanError, match="outside must be a"):
        estimate_class([release()], outside=outside)


@pytest.mark.parametrize("outside", [1, 1.0, np.int64(1), np.float32(1)])
def test_an_outside_of_everybody_is_refused(outside: Any) -> None:
    with pytest.raises(EstimateError, match="outside must be below 1"):
        estimate_class([release()], outside=outside)


@pytest.mark.parametrize("users", [0.5, 0, np.int64(0), np.float32(0.5)])
def test_fewer_than_one_user_per_buyer_are_refused(users: Any) -> None:
    with pytest.raises(EstimateError, match="users_per_buyer counts the buyer too"):
        estimate_class([release()], users_per_buyer=users)


def test_a_law_of_users_that_may_fall_below_one_is_refused() -> None:
    with pytest.raises(EstimateError, match="users_per_buyer counts the buyer too"):
        estimate_class([release()], users_per_buyer=scipy.stats.uniform(0.2, 0.5))


@pytest.mark.parametrize("users", [-1, math.nan, True, "1.4"])
def test_users_per_buyer_that_are_no_number_are_refused(users: Any) -> None:
    with pytest.raises(DpnoticeError, match="users_per_buyer must be"):
        estimate_class([release()], users_per_buyer=users)


@pytest.mark.parametrize("field", ["outside", "users_per_buyer"])
def test_a_frame_by_axes_is_no_single_figure_and_is_refused(field: str) -> None:
    figures: dict[str, Any] = {"outside": [0.1, 0.2, 0.3], "users_per_buyer": [1.0, 1.2, 1.4]}
    frame = pd.DataFrame({"state": ["CA", "NY", "unknown"], "value": figures[field]})
    with pytest.raises(DpnoticeError, match=field):
        estimate_class([release()], **{field: frame}).size()


@pytest.mark.parametrize("call", ["count", "share", "explain"])
def test_a_level_that_is_not_on_the_axis_is_refused_with_those_that_are(call: str) -> None:
    with pytest.raises(EstimateError, match="must name levels of that axis: CA, NY, unknown"):
        getattr(ONE, call)(state="TX")


@pytest.mark.parametrize("call", ["count", "share", "explain"])
def test_an_unknown_axis_is_refused_with_those_there_are(call: str) -> None:
    with pytest.raises(EstimateError, match="they are state, age, contact"):
        getattr(ONE, call)(region="CA")


@pytest.mark.parametrize("names", [("region",), ("state", "state"), ("retailer", "state")])
@pytest.mark.parametrize("call", ["by", "map"])
def test_by_and_map_refuse_what_are_not_different_axes(call: str, names: tuple[str, ...]) -> None:
    with pytest.raises(EstimateError, match="must be different axes of the inquiry"):
        getattr(ONE, call)(*names)


def test_by_refuses_a_list_of_axes_in_the_projects_words() -> None:
    with pytest.raises(EstimateError, match="must be different axes of the inquiry"):
        ONE.by(["state"])  # type: ignore[arg-type]


@pytest.mark.parametrize("level", [0, 1, 95, True, None, "0.9"])
def test_every_call_refuses_a_bad_level(level: Any) -> None:
    calls = [
        lambda: ONE.size(level),
        lambda: ONE.count(level=level),
        lambda: ONE.share(level=level, state="CA"),
        lambda: ONE.by("state", level=level),
        lambda: ONE.by("retailer", level=level),
        lambda: ONE.by("state", level=level, simultaneous=True),
        lambda: ONE.map("state", level=level),
        lambda: ONE.map("state", level=level, smoothed=True),
        lambda: ONE.overlap(level),
        lambda: ONE.bounds(level),
        lambda: CLASS.size(level),
    ]
    for call in calls:
        with pytest.raises(EstimateError, match="level must be a fraction between 0 and 1"):
            call()


@pytest.mark.parametrize("call", ["count", "share", "explain"])
def test_a_part_that_the_tables_do_not_determine_is_refused_by_name(call: str) -> None:
    with pytest.raises(EstimateError, match="sephora: no released table holds state x age"):
        getattr(ONE, call)(state="CA", age="old")


def test_by_names_the_marginal_that_is_missing() -> None:
    with pytest.raises(EstimateError, match="state x contact together"):
        ONE.by("state", "contact")


def test_the_retailer_that_lacks_the_table_is_named() -> None:
    less = release("ulta", HALF, asked=inquiry([(), ("state",)]))
    with pytest.raises(EstimateError, match="ulta: no released table holds contact"):
        estimate_class([release(), less]).count(contact="email")


@pytest.mark.parametrize("scale", [0.0004, 1e170])
def test_a_scale_at_the_edge_of_floats_is_used_or_refused_but_never_crashes(scale: float) -> None:
    try:
        size = estimate_class([release(scale=scale)]).size()
    except DpnoticeError:
        return
    assert size.lower <= size.upper


def test_an_axis_name_that_is_a_parameter_is_used_or_refused_but_never_crashes() -> None:
    try:
        asked = inquiry([(), ("self",)], axes={"self": ["CA", "NY"]})
    except InquiryError:
        return
    members = estimate_class([release(counts={(): 10, ("self",): [4, 3, 3]}, asked=asked)])
    assert len(members.summary()) == 2 + 3


def test_the_picture_can_be_of_one_axis() -> None:
    labels = [entry["label"] for entry in ONE.plot_data(by="state")["series"]]
    assert labels == [f"state {level}" for level in ONE.axes["state"].levels]


def test_a_picture_of_no_axis_of_the_inquiry_is_refused() -> None:
    with pytest.raises(EstimateError, match="must be different axes of the inquiry"):
        ONE.plot_data(by="zip")


def test_contact_is_said_of_known_buyers_even_where_others_are_stated() -> None:
    """Nobody holds an address of members in nobody's records."""
    stated, plain = exact(outside=0.4, users_per_buyer=1.5), exact()
    assert stated.share(contact="email") == plain.share(contact="email")
    assert stated.count(contact="email") == plain.count(contact="email")
    assert "known buyers" in stated.share(contact="email").statement()


def test_answers_that_contradict_each_other_are_refused_by_retailer() -> None:
    """A second attempt after a wrong mapping is no second measurement of the same counts."""
    empty = {of: np.zeros_like(np.asarray(counts)) for of, counts in COUNTS.items()}
    with pytest.raises(EstimateError, match=r"INCONSISTENT: sephora: .* name only the one"):
        estimate_class([release(), release(counts=empty, attempt=1)])
