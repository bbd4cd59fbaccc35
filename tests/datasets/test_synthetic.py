from collections import defaultdict
from datetime import datetime
from itertools import combinations
from math import comb
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from scipy import stats

from dpnotice.datasets.case import Case
from dpnotice.datasets.synthetic import wen_like
from dpnotice.errors import DatasetError

# The first purchases of the case below: whole-number arithmetic, so no version may change them.
MOMENT = datetime(2015, 6, 3, 2, 4, 52)  # noqa: DTZ001  the column is naive
PINNED = (36009759039553537, "person-10@mail.example", "other-81", MOMENT, "CO", "45-54")
SMALL: dict[str, Any] = {"n_retailers": 2, "n_buyers": 1500, "rows_per_buyer": 6, "overlap": 0.3}
PERIOD = "ordered_at >= TIMESTAMP '2007-11-01' AND ordered_at < TIMESTAMP '2016-09-20'"
# The overlap tests look at 13 counts; each interval leaves 10^-6 / 13 outside under the stated law.
# The seed is fixed, so they cannot start to fail by chance.
FALSE_ALARM = 1e-6 / 13


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return wen_like(tmp_path_factory.mktemp("two") / "case", **SMALL)


@pytest.fixture(scope="module")
def three(tmp_path_factory: pytest.TempPathFactory) -> Case:
    folder = tmp_path_factory.mktemp("three") / "case"
    return wen_like(folder, n_retailers=3, n_buyers=20_000, rows_per_buyer=3, overlap=0.4, seed=5)


def content(case: Case) -> list[list[tuple[Any, ...]]]:
    return [
        duckdb.read_parquet(case.sources[retailer]).order("ALL").fetchall()
        for retailer in case.retailers
    ]


def ask(case: Case, retailer: str, answer: str, where: str = "true") -> float:
    purchases = duckdb.read_parquet(case.sources[retailer])
    return float(purchases.filter(where).aggregate(answer).fetchall()[0][0])


def scoped(case: Case, retailer: str) -> list[tuple[Any, ...]]:
    rows = duckdb.read_parquet(case.sources[retailer])
    rows = rows.filter(f"sku LIKE 'wen-%' AND {PERIOD}")
    return rows.project("customer_id, email, ordered_at, ship_state, age_band, contact").fetchall()


def levels(case: Case) -> list[tuple[str, ...]]:
    return [case.inquiry.axes[axis].levels for axis in ("state", "age", "contact")]


def code(row: tuple[Any, ...], axes: list[tuple[str, ...]]) -> tuple[int, ...]:
    """The position on each axis; `unknown`, the last level, where the value is not listed."""
    return tuple(
        names.index(value) if value in names[:-1] else len(names) - 1
        for value, names in zip(row[3:], axes, strict=True)
    )


def within(count: int, n: int, p: float) -> bool:
    low, high = stats.binom.interval(1 - FALSE_ALARM, n, p)
    return bool(low <= count <= high)


def test_same_seed_same_rows_whatever_the_number_of_threads(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    connect = duckdb.connect
    monkeypatch.setattr(duckdb, "connect", lambda: connect(config={"threads": 1}))
    again = wen_like(tmp_path / "again", **SMALL)
    monkeypatch.undo()
    assert content(again) == content(case)


def test_another_seed_gives_other_rows_and_other_identifiers(case: Case, tmp_path: Path) -> None:
    other = wen_like(tmp_path / "other", **SMALL, seed=1)
    ours, theirs = ({row[0] for row in content(each)[0]} for each in (case, other))
    assert not ours & theirs


def test_rows_are_pinned_to_the_arguments_not_to_the_engine(case: Case) -> None:
    assert content(case)[0][0] == (*PINNED, "email+post")


def test_nothing_but_the_purchases_stays_in_the_folder(case: Case) -> None:
    assert sorted(path.name for path in case.folder.iterdir()) == list(case.retailers)


def test_the_inquiry_asks_the_five_tables_in_the_class_period(case: Case) -> None:
    tables = {(), ("state",), ("contact",), ("age", "contact"), ("state", "contact")}
    assert set(case.inquiry.tables) == tables
    assert len(case.inquiry.axes["state"].levels) == 53


def test_everyone_in_the_class_bought_somewhere(case: Case) -> None:
    a, b = case.retailers
    emails = [{row[1] for row in scoped(case, retailer)} for retailer in (a, b)]
    assert case.truth["class_size"] == SMALL["n_buyers"] == len(emails[0] | emails[1])


def test_inclusion_and_exclusion_give_the_class(case: Case) -> None:
    a, b = case.retailers
    buyers = case.truth["buyers"]
    assert buyers[a] + buyers[b] - case.truth["pairs"][a, b] == case.truth["class_size"]


def test_pairs_follow_from_the_number_of_retailers_per_person(three: Case) -> None:
    per_person = three.truth["retailers_per_person"]
    assert sum(per_person.values()) == three.truth["class_size"]
    assert sum(three.truth["pairs"].values()) == sum(comb(j, 2) * n for j, n in per_person.items())


def test_tables_sum_to_the_buyers_and_have_the_inquirys_shape(three: Case) -> None:
    for retailer in three.retailers:
        for axes, counts in three.truth["tables"][retailer].items():
            assert counts.shape == three.inquiry.shape(axes)
            assert counts.dtype == np.int64
            assert not counts.flags.writeable
            assert counts.sum() == three.truth["buyers"][retailer]


def test_tables_agree_with_the_rule_applied_buyer_by_buyer(case: Case) -> None:
    for retailer in case.retailers:
        bought = defaultdict(list)
        for row in scoped(case, retailer):
            bought[row[0]].append((row[2], code(row, levels(case))))
        cross = np.zeros([len(names) for names in levels(case)], dtype=np.int64)
        for purchases in bought.values():
            latest = max(moment for moment, _ in purchases)
            cross[min(cell for moment, cell in purchases if moment == latest)] += 1
        tables = case.truth["tables"][retailer]
        assert np.array_equal(tables["state", "contact"], cross.sum(axis=1))
        assert np.array_equal(tables["age", "contact"], cross.sum(axis=0))


def test_some_buyers_conflict_with_themselves_and_some_at_the_same_second(case: Case) -> None:
    cells = defaultdict(set)
    ties = defaultdict(set)
    for row in scoped(case, case.retailers[0]):
        cells[row[0]].add(row[3:])
        ties[row[0], row[2]].add(row[3:])
    assert sum(len(each) > 1 for each in cells.values()) > 50
    assert sum(len(each) > 1 for each in ties.values()) > 5


def test_the_filters_have_work(case: Case) -> None:
    retailer = case.retailers[0]
    assert 0.15 < ask(case, retailer, "avg((sku LIKE 'wen-%')::INTEGER)") < 0.3
    assert ask(case, retailer, "count(*)", f"sku LIKE 'wen-%' AND NOT ({PERIOD})") > 100
    customers = ask(case, retailer, "count(DISTINCT customer_id)")
    assert customers > 1.8 * case.truth["buyers"][retailer]


@pytest.mark.parametrize("moment", ["2007-11-01", "2016-09-20"])
def test_some_purchases_lie_exactly_on_each_end_of_the_period(case: Case, moment: str) -> None:
    there = f"ordered_at = TIMESTAMP '{moment}'"
    assert ask(case, case.retailers[0], "count(*)", there) > 0


@pytest.mark.parametrize("column", ["ship_state", "age_band", "contact"])
def test_some_values_are_missing(case: Case, column: str) -> None:
    assert ask(case, case.retailers[0], "count(*)", f"{column} IS NULL") > 0


def test_some_values_are_off_the_list(case: Case) -> None:
    for off_list in ("ship_state = 'AE'", "age_band = 'under 18'"):
        assert ask(case, case.retailers[0], "count(*)", off_list) > 0


def test_identifiers_differ_by_retailer_and_name_one_person_each(case: Case) -> None:
    seen = set()
    for retailer in case.retailers:
        people = {row[:2] for row in scoped(case, retailer)}
        assert len({customer for customer, _ in people}) == len(people)
        assert len({email for _, email in people}) == len(people)
        assert not seen & {customer for customer, _ in people}
        seen |= {customer for customer, _ in people}


def test_persons_at_exactly_j_retailers_follow_the_stated_law(three: Case) -> None:
    for j, persons in three.truth["retailers_per_person"].items():
        assert within(persons, 20_000, comb(2, j - 1) * 0.4 ** (j - 1) * 0.6 ** (3 - j))


def test_buyers_and_pairs_follow_the_stated_law(three: Case) -> None:
    for retailer in three.retailers:
        assert within(three.truth["buyers"][retailer], 20_000, (1 + 2 * 0.4) / 3)
    for pair in combinations(three.retailers, 2):
        assert within(three.truth["pairs"][pair], 20_000, 2 * 0.4 / 3 + 0.4**2 / 3)


def test_no_overlap_puts_each_person_at_one_retailer(tmp_path: Path) -> None:
    truth = wen_like(tmp_path / "case", n_retailers=3, n_buyers=500, overlap=0).truth
    assert truth["retailers_per_person"] == {1: 500, 2: 0, 3: 0}


def test_one_retailer_holds_the_class(tmp_path: Path) -> None:
    case = wen_like(tmp_path / "case", n_retailers=1, n_buyers=7, rows_per_buyer=1)
    assert case.truth["buyers"] == {"retailer-01": 7}
    assert case.truth["rows"] == {"retailer-01": 14}


def test_mean_rows_per_customer_are_as_asked(three: Case) -> None:
    # Uniform on 1..5 has variance 2; six standard errors, false alarm 2e-9.
    for retailer in three.retailers:
        customers = ask(three, retailer, "count(DISTINCT customer_id)")
        mean = three.truth["rows"][retailer] / customers
        assert abs(mean - 3) < 6 * (2 / customers) ** 0.5


def test_states_follow_the_census(three: Case) -> None:
    # California's share in the 2020 census, Puerto Rico included; 2 % of purchases carry no listed
    # state and 5 % are gifts to any state, hence the blend.
    retailer = three.retailers[0]
    buyers = three.truth["buyers"][retailer]
    share = 0.93 * 39_538_223 / 334_735_155 + 0.05 / 52
    california = three.inquiry.axes["state"].levels.index("CA")
    assert within(three.truth["tables"][retailer][("state",)][california], buyers, share)


@pytest.mark.parametrize(
    ("argument", "value", "words"),
    [
        ("n_retailers", 0, "n_retailers must be a whole number from 1 to 20, got 0"),
        ("n_retailers", 21, "from 1 to 20, got 21"),
        ("n_buyers", -1, "n_buyers must be a whole number from 1 to 1000000000, got -1"),
        ("n_buyers", True, "got True"),
        ("rows_per_buyer", 0, "rows_per_buyer must be a whole number from 1 to 1000, got 0"),
        ("rows_per_buyer", 2.5, "got 2.5; give such an int"),
        ("seed", "7", "seed must be a whole number .* got '7'"),
        ("overlap", 1.5, r"overlap must be a fraction in \[0, 1\), got 1.5; give the probability"),
        ("overlap", 1, "got 1; "),
        ("overlap", -0.1, "got -0.1"),
        ("overlap", float("nan"), "got nan"),
        ("overlap", "0.2", "got '0.2'"),
        ("overlap", True, "got True"),
        ("linkage", 0, r"linkage must be a fraction in \(0, 1\], got 0; "),
        ("linkage", 1.1, "got 1.1"),
        ("linkage", "1", "got '1'"),
    ],
)
def test_bad_arguments_are_refused_before_anything_is_written(
    tmp_path: Path, argument: str, value: object, words: str
) -> None:
    with pytest.raises(DatasetError, match=words):
        wen_like(tmp_path / "case", **{argument: value})  # type: ignore[arg-type]
    assert not (tmp_path / "case").exists()


def test_a_folder_that_holds_something_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(DatasetError, match=r"folder must be new or empty, got .*another name"):
        wen_like(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "case").write_text("mine")
    with pytest.raises(DatasetError, match="folder must be new or empty"):
        wen_like(tmp_path / "case")


def test_a_folder_named_like_a_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="choose a plain name"):
        wen_like(tmp_path / "case[1]")


def test_quotes_and_spaces_in_the_folder_do_no_harm(tmp_path: Path) -> None:
    case = wen_like(tmp_path / 'o\'neil "case"', n_retailers=1, n_buyers=3, rows_per_buyer=1)
    assert case.truth["class_size"] == 3


def test_lost_links_change_addresses_and_nothing_else(case: Case, tmp_path: Path) -> None:
    other = wen_like(tmp_path / "case", **SMALL, linkage=0.8)
    for field in ("class_size", "buyers", "pairs", "rows"):
        assert other.truth[field] == case.truth[field]
    rows, changed = ([row for part in content(each) for row in part] for each in (case, other))
    assert [row[:1] + row[2:] for row in sorted(rows)] == [
        row[:1] + row[2:] for row in sorted(changed)
    ]


def test_an_unusual_address_is_one_that_nobody_else_has_as_often_as_stated(tmp_path: Path) -> None:
    case = wen_like(tmp_path / "case", **SMALL, linkage=0.8)
    unusual, holders, customers = 0, defaultdict(set), 0
    for retailer in case.retailers:
        owners = duckdb.read_parquet(case.sources[retailer]).project("customer_id, email")
        for customer, email in owners.distinct().fetchall():
            customers += 1
            usual = email.split("@")[0].count("-") == 1
            unusual += not usual
            holders[email].add(retailer if usual else (retailer, customer))
    assert all(len(found) == 1 for email, found in holders.items() if email.count("-") > 1)
    assert within(unusual, customers, 0.2)


def test_a_sketch_is_asked_for_by_address_with_a_guess_above_the_buyers(tmp_path: Path) -> None:
    case = wen_like(tmp_path / "case", **SMALL, sketch_epsilon="2")
    plan = case.inquiry.sketch
    assert plan is not None
    assert (plan.key, str(plan.epsilon)) == ("email", "2")
    assert max(case.truth["buyers"].values()) < plan.expected_buyers
