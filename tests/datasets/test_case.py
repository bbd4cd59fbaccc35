"""A case hands out each retailer's purchases, and nobody can change it."""

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from dpnotice.datasets.case import Case
from dpnotice.errors import DatasetError
from dpnotice.retailer import counting
from made.releases import matter

COLUMNS = {"buyer": "id", "product": "sku", "date": "day", "axes": {"state": "st"}}


def case(folder: Path, **changes: Any) -> Case:
    plain = {
        "folder": folder,
        "inquiry": matter(),
        "sources": {name: str(folder / f"{name}.parquet") for name in ("north", "south")},
        "columns": COLUMNS | {"timezone": "UTC"},
        "truth": {"class_size": 3},
    }
    return Case(**(plain | changes))


def write_sales(folder: Path, buyers: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    rows = {"id": range(buyers), "sku": "p", "day": pd.Timestamp("2020-03-01"), "st": "CA"}
    pd.DataFrame(rows).to_parquet(folder / "north.parquet")


def test_the_retailers_are_those_of_the_sources_in_order(tmp_path: Path) -> None:
    assert case(tmp_path).retailers == ("north", "south")


def test_a_retailers_purchases_lie_where_the_source_says(tmp_path: Path) -> None:
    assert case(tmp_path).purchases("south").source == str(tmp_path / "south.parquet")


def test_a_retailers_purchases_carry_the_meaning_of_the_columns(tmp_path: Path) -> None:
    found = case(tmp_path).purchases("north")
    assert {name: getattr(found, name) for name in COLUMNS} == COLUMNS
    assert found.timezone == "UTC"


def test_a_retailers_purchases_can_be_counted(tmp_path: Path) -> None:
    write_sales(tmp_path, buyers=7)
    counts = counting.count(matter(), case(tmp_path).purchases("north"))
    assert int(counts._tables[()]) == 7


def test_a_folder_with_brackets_in_its_name_can_be_counted(tmp_path: Path) -> None:
    write_sales(tmp_path / "case [2]", buyers=7)
    counts = counting.count(matter(), case(tmp_path / "case [2]").purchases("north"))
    assert int(counts._tables[()]) == 7


def test_an_unknown_retailer_is_refused_with_the_names_that_exist(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"'east' is no retailer .*; they are north, south"):
        case(tmp_path).purchases("east")


def test_a_case_is_frozen(tmp_path: Path) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        case(tmp_path).folder = tmp_path  # type: ignore[misc]


@pytest.mark.parametrize("field", ["sources", "columns", "truth"])
def test_a_mapping_of_a_case_is_read_only(tmp_path: Path, field: str) -> None:
    with pytest.raises(TypeError):
        getattr(case(tmp_path), field)["new"] = 1


def test_a_case_does_not_change_with_the_mapping_that_it_was_made_from(tmp_path: Path) -> None:
    truth = {"class_size": 3}
    made = case(tmp_path, truth=truth)
    truth["class_size"] = 4
    assert made.truth["class_size"] == 3
