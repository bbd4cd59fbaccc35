"""The engineer's configuration file: paths from its own folder, and nothing unknown in it."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import tomli_w

from dpnotice.errors import InquiryError, LedgerError, PurchasesError
from dpnotice.retailer import counting
from dpnotice.retailer.config import AnswerConfig
from dpnotice.retailer.ledger import Ledger
from made.releases import matter


def content(**changes: Any) -> dict[str, Any]:
    plain = {
        "inquiry": "matter.toml",
        "retailer": "shop",
        "ledger": "shop.ledger",
        "output": "out/shop.release",
        "purchases": {
            "source": "sales/*.parquet",
            "buyer": "id",
            "product": "sku",
            "date": "day",
            "axes": {"state": "st"},
        },
    }
    return plain | changes


def purchases(**changes: Any) -> dict[str, Any]:
    return content()["purchases"] | changes


def write(folder: Path, given: dict[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    matter().save(folder / "matter.toml")
    (folder / "sales").mkdir(exist_ok=True)
    day = pd.to_datetime(["2020-03-01"] * 2)
    rows = pd.DataFrame({"id": ["a", "b"], "sku": ["p", "p"], "day": day, "st": ["CA", "NY"]})
    rows.to_parquet(folder / "sales" / "part.parquet")
    path = folder / "answer.toml"
    path.write_text(tomli_w.dumps(given), encoding="utf-8")
    return path


def refused(path: Path) -> str:
    with pytest.raises(InquiryError) as caught:
        AnswerConfig.load(path)
    return str(caught.value)


def test_a_configuration_holds_the_agreed_question(tmp_path: Path) -> None:
    assert AnswerConfig.load(write(tmp_path, content())).inquiry.digest == matter().digest


def test_paths_are_resolved_from_the_files_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "job", content())
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    read = AnswerConfig.load(path)
    assert read.ledger_path == tmp_path / "job" / "shop.ledger"
    assert read.output == tmp_path / "job" / "out" / "shop.release"


def test_the_sales_are_found_from_the_files_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = content(purchases=purchases(timezone="UTC"))
    path = write(tmp_path / "job", given)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    read = AnswerConfig.load(path)
    assert int(counting.count(read.inquiry, read.purchases)._tables[()]) == 2


def test_the_sales_are_found_in_a_folder_with_brackets_in_its_name(tmp_path: Path) -> None:
    given = content(purchases=purchases(timezone="UTC"))
    read = AnswerConfig.load(write(tmp_path / "matter [2]", given))
    assert int(counting.count(read.inquiry, read.purchases)._tables[()]) == 2


def test_several_sources_are_each_resolved(tmp_path: Path) -> None:
    given = content(purchases=purchases(source=["a.csv", "sub/b.csv"]))
    read = AnswerConfig.load(write(tmp_path, given))
    assert read.purchases.source == [str(tmp_path / "a.csv"), str(tmp_path / "sub" / "b.csv")]


def test_an_absolute_path_stays_as_it_is(tmp_path: Path) -> None:
    away = tmp_path / "away" / "shop.ledger"
    assert AnswerConfig.load(write(tmp_path / "job", content(ledger=str(away)))).ledger_path == away


def test_the_meaning_of_the_columns_reaches_the_purchases(tmp_path: Path) -> None:
    given = content(purchases=purchases(ids="trim", timezone="UTC", person="mail"))
    read = AnswerConfig.load(write(tmp_path, given)).purchases
    assert (read.buyer, read.product, read.date, dict(read.axes)) == (
        "id",
        "sku",
        "day",
        {"state": "st"},
    )
    assert (read.ids, read.timezone, read.person) == ("trim", "UTC", "mail")


def test_the_ledger_is_opened_where_the_file_says(tmp_path: Path) -> None:
    path = write(tmp_path, content())
    Ledger.create(tmp_path / "shop.ledger", epsilon_cap="2")
    assert str(AnswerConfig.load(path).ledger().cap) == "2"


def test_a_missing_ledger_is_never_made(tmp_path: Path) -> None:
    read = AnswerConfig.load(write(tmp_path, content()))
    with pytest.raises(LedgerError, match="there is no ledger"):
        read.ledger()
    assert not (tmp_path / "shop.ledger").exists()


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    assert "'absent.toml'" in refused(tmp_path / "absent.toml")


def test_a_folder_is_refused(tmp_path: Path) -> None:
    assert "cannot read" in refused(tmp_path)


def test_a_file_that_is_no_toml_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "answer.toml"
    path.write_text("retailer = ", encoding="utf-8")
    assert "cannot read 'answer.toml' as TOML" in refused(path)


def test_a_file_that_is_no_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "answer.toml"
    path.write_bytes('retailer = "\xe9"'.encode("latin-1"))
    assert "cannot read" in refused(path)


def test_an_unknown_key_is_refused_by_name(tmp_path: Path) -> None:
    assert "'seed'" in refused(write(tmp_path, content(seed=1)))


def test_an_unknown_key_of_the_purchases_is_refused_by_name(tmp_path: Path) -> None:
    path = write(tmp_path, content(purchases=purchases(byer="id")))
    assert "'purchases.byer'" in refused(path)


@pytest.mark.parametrize("key", ["inquiry", "retailer", "ledger", "output", "purchases"])
def test_a_missing_key_is_refused_by_name(tmp_path: Path, key: str) -> None:
    given = content()
    del given[key]
    assert f"'{key}'" in refused(write(tmp_path, given))


def test_a_value_of_the_wrong_type_is_refused_by_name(tmp_path: Path) -> None:
    assert "'retailer'" in refused(write(tmp_path, content(retailer=7)))


def test_a_sketch_key_is_refused_since_no_sketch_is_made(tmp_path: Path) -> None:
    message = refused(write(tmp_path, content(sketch_key="docket.key")))
    assert "makes no sketches" in message
    assert "remove it" in message


def test_a_missing_inquiry_is_refused(tmp_path: Path) -> None:
    assert "absent.toml" in refused(write(tmp_path, content(inquiry="absent.toml")))


def test_a_broken_mapping_is_refused_with_its_code(tmp_path: Path) -> None:
    path = write(tmp_path, content(purchases=purchases(ids="lower")))
    with pytest.raises(PurchasesError, match="IDS_RULE"):
        AnswerConfig.load(path)


def test_every_refusal_is_one_line(tmp_path: Path) -> None:
    for number, given in enumerate((content(seed=1), content(retailer=7), {})):
        assert "\n" not in refused(write(tmp_path / str(number), given))
