"""The engineer's configuration file: paths from its own folder, and nothing unknown in it."""

import dataclasses
import sys
import traceback
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import tomli_w

from dpnotice.errors import InquiryError, LedgerError, PurchasesError, ReleaseError
from dpnotice.release import Release
from dpnotice.retailer import counting
from dpnotice.retailer.config import AnswerConfig
from dpnotice.retailer.ledger import Ledger
from dpnotice.signature import create_key
from made import releases
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


def test_the_dockets_key_is_found_from_the_files_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "job", content(sketch_key="keys/docket.key"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert AnswerConfig.load(path).sketch_key == tmp_path / "job" / "keys" / "docket.key"


def test_a_dockets_key_elsewhere_stays_where_it_is(tmp_path: Path) -> None:
    away = tmp_path / "away" / "docket.key"
    path = write(tmp_path / "job", content(sketch_key=str(away)))
    assert AnswerConfig.load(path).sketch_key == away


def test_without_a_dockets_key_there_is_none(tmp_path: Path) -> None:
    assert AnswerConfig.load(write(tmp_path, content())).sketch_key is None


def test_a_dockets_key_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    assert "'sketch_key'" in refused(write(tmp_path, content(sketch_key=7)))


def test_a_configuration_reads_no_key(tmp_path: Path) -> None:
    """It is read by the answer alone, and nothing of it stands in what is loaded."""
    (tmp_path / "docket.key").write_bytes(b"\xc5" * 32)
    read = AnswerConfig.load(write(tmp_path, content(sketch_key="docket.key")))
    assert "\\xc5" not in repr(read)


def test_a_missing_inquiry_is_refused(tmp_path: Path) -> None:
    assert "absent.toml" in refused(write(tmp_path, content(inquiry="absent.toml")))


def test_a_broken_mapping_is_refused_with_its_code(tmp_path: Path) -> None:
    path = write(tmp_path, content(purchases=purchases(ids="lower")))
    with pytest.raises(PurchasesError, match="IDS_RULE"):
        AnswerConfig.load(path)


def test_every_refusal_is_one_line(tmp_path: Path) -> None:
    for number, given in enumerate((content(seed=1), content(retailer=7), {})):
        assert "\n" not in refused(write(tmp_path / str(number), given))


# --- attributes in a second file -----------------------------------------------------------
def listed(**changes: Any) -> dict[str, Any]:
    return {"source": "people.csv", "buyer": "cust", "axes": {"state": "home"}} | changes


def apart(folder: Path, **changes: Any) -> Path:
    given = content(purchases=purchases(axes={}, timezone="UTC"), buyers=listed(), **changes)
    path = write(folder, given)
    (folder / "people.csv").write_text("cust,home\na,CA\nb,TX\n", encoding="utf-8")
    return path


def test_the_buyers_table_is_found_from_the_files_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = apart(tmp_path / "job")
    monkeypatch.chdir(tmp_path)
    read = AnswerConfig.load(path)
    asked = matter(tables=[{"of": ["state"]}])
    assert counting.count(asked, read.purchases)._tables["state",].tolist() == [1, 0, 1]


def test_the_meaning_of_the_buyers_columns_reaches_the_purchases(tmp_path: Path) -> None:
    path = write(tmp_path, content(purchases=purchases(axes={}), buyers=listed(person="mail")))
    read = AnswerConfig.load(path).purchases.buyers
    assert read is not None
    assert (read.buyer, dict(read.axes), read.person) == ("cust", {"state": "home"}, "mail")


def test_what_to_do_with_guests_reaches_the_purchases(tmp_path: Path) -> None:
    path = write(tmp_path, content(purchases=purchases(on_null_id="fail")))
    assert AnswerConfig.load(path).purchases.on_null_id == "fail"


def test_an_unknown_key_of_the_buyers_is_refused_by_name(tmp_path: Path) -> None:
    assert "'buyers.ids'" in refused(write(tmp_path, content(buyers=listed(ids="trim"))))


@pytest.mark.parametrize("key", ["source", "buyer"])
def test_a_missing_key_of_the_buyers_is_refused_by_name(tmp_path: Path, key: str) -> None:
    given = listed()
    del given[key]
    assert f"'buyers.{key}'" in refused(write(tmp_path, content(buyers=given)))


def code(path: Path) -> str:
    with pytest.raises(PurchasesError) as caught:
        AnswerConfig.load(path)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
    return caught.value.code


def test_the_person_key_of_the_buyers_reaches_the_purchases(tmp_path: Path) -> None:
    given = content(purchases=purchases(axes={}), buyers=listed(person="mail"))
    read = AnswerConfig.load(write(tmp_path, given)).purchases
    assert read.buyers is not None
    assert (read.buyers.person, read.person) == ("mail", None)


def test_an_axis_of_both_tables_is_refused(tmp_path: Path) -> None:
    assert code(write(tmp_path, content(buyers=listed()))) == "MAPPED_TWICE"


# --- tables in a database ------------------------------------------------------------------
def database(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with duckdb.connect(folder / "shop.duckdb") as made:
        made.execute("CREATE SCHEMA mart")
        made.execute("CREATE TABLE mart.sales (id TEXT, sku TEXT, day DATE)")
        made.execute("CREATE TABLE people (cust TEXT PRIMARY KEY, home TEXT)")
        made.execute("INSERT INTO mart.sales VALUES ('a', 'p', '2020-03-01')")
        made.execute("INSERT INTO people VALUES ('a', 'NY'), ('b', 'CA')")
    return folder / "shop.duckdb"


def held(folder: Path, **changes: Any) -> Path:
    plain = {
        "engine": "duckdb://shop.duckdb",
        "purchases": purchases(source="mart.sales", axes={}),
        "buyers": listed(source="people"),
    }
    return write(folder, content(**(plain | changes)))


def counted(path: Path) -> list[int]:
    read = AnswerConfig.load(path)
    asked = matter(tables=[{"of": ["state"]}])
    return list(counting.count(asked, read.purchases)._tables["state",].tolist())


def test_tables_of_a_duckdb_file_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database(tmp_path / "job")
    monkeypatch.chdir(tmp_path)
    assert counted(held(tmp_path / "job")) == [0, 1, 0]


def test_a_duckdb_file_is_left_byte_for_byte(tmp_path: Path) -> None:
    file = database(tmp_path)
    before = file.read_bytes()
    counted(held(tmp_path))
    assert file.read_bytes() == before
    assert [path.name for path in tmp_path.glob("shop.duckdb*")] == ["shop.duckdb"]


def test_a_duckdb_file_that_may_not_be_written_is_counted(tmp_path: Path) -> None:
    database(tmp_path).chmod(0o400)
    assert counted(held(tmp_path)) == [0, 1, 0]


def test_a_missing_duckdb_file_is_never_made(tmp_path: Path) -> None:
    assert code(held(tmp_path)) == "ENGINE_CONNECT"
    assert not (tmp_path / "shop.duckdb").exists()


@pytest.mark.parametrize(
    "url", ["shop.duckdb", "duckdb:", "duckdb://", "mysql://host/shop", "sqlite://shop.db", "://x"]
)
def test_an_address_of_no_engine_is_refused(tmp_path: Path, url: str) -> None:
    assert code(held(tmp_path, engine=url)) == "ENGINE_URL"


SECRET = "hunter2-canary"  # noqa: S105 -- planted, to be looked for
ADDRESS = f"postgres://ann:{SECRET}@127.0.0.1:1/shop"


def test_an_engine_out_of_reach_is_refused(tmp_path: Path) -> None:
    assert code(held(tmp_path, engine=ADDRESS)) == "ENGINE_CONNECT"


def test_a_refusal_to_connect_shows_no_password(tmp_path: Path) -> None:
    with pytest.raises(PurchasesError) as caught:
        AnswerConfig.load(held(tmp_path, engine=ADDRESS))
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in repr(caught.value)


@pytest.mark.parametrize("name", ["absent", "mart.absent", "absent.sales", "sales", "people; --"])
def test_an_unknown_table_is_refused(tmp_path: Path, name: str) -> None:
    database(tmp_path)
    bad = purchases(source=name, axes={})
    assert code(held(tmp_path, purchases=bad)) == "TABLE_NAME"


def test_a_list_of_tables_is_refused(tmp_path: Path) -> None:
    database(tmp_path)
    assert code(held(tmp_path, buyers=listed(source=["people"]))) == "TABLE_NAME"


@pytest.mark.parametrize("given", [5, None, [], b"x"])
def test_what_is_no_path_is_refused(given: Any) -> None:
    with pytest.raises(InquiryError, match="a configuration is a path"):
        AnswerConfig.load(given)


@pytest.mark.parametrize("text", ["a = " + "[" * 5000, "a = " + "9" * 5000], ids=["deep", "long"])
def test_a_file_that_no_reader_can_hold_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.toml"
    path.write_text(text, encoding="utf-8")
    assert "cannot read" in refused(path)


def test_a_path_that_no_file_can_have_is_refused() -> None:
    assert "cannot read" in refused(Path("a\0b"))


@pytest.mark.parametrize("source", ["*" * 300 + ".parquet", "a\0b.parquet"])
def test_a_source_that_no_file_can_have_is_missing(tmp_path: Path, source: str) -> None:
    config = AnswerConfig.load(write(tmp_path, content(purchases=purchases(source=source))))
    with pytest.raises(PurchasesError, match="SOURCE_MISSING"), config.purchases.opened():
        pass


@pytest.mark.parametrize("ledger", ["x" * 300, "a\0b"])
def test_a_ledger_that_no_file_can_be_is_missing(tmp_path: Path, ledger: str) -> None:
    config = AnswerConfig.load(write(tmp_path, content(ledger=ledger)))
    with pytest.raises(LedgerError, match="LEDGER_MISSING"):
        config.ledger()


@pytest.mark.parametrize(
    "output",
    ["missing/shop.release", "/proc/shop.release", "a\0b", "x" * 300, "shop.ledger-journal"],
    ids=["no folder", "no right", "no name", "too long", "the journal"],
)
def test_an_output_that_could_not_be_written_is_refused_beforehand(
    tmp_path: Path, output: str
) -> None:
    config = AnswerConfig.load(write(tmp_path, content(output=output)))
    with pytest.raises(ReleaseError, match="FILE"):
        config.check_output(answered=False)


# --- the signing key -----------------------------------------------------------------------
def plain_release() -> Release:
    return releases.release(matter(), {(): 5}, 64.0, retailer="shop")


def test_without_a_key_a_release_leaves_unsigned(tmp_path: Path) -> None:
    config = AnswerConfig.load(write(tmp_path, content()))
    config.check_key()
    assert config.signing_key is None
    assert config.signed(plain_release()).signature is None


def test_with_a_key_a_release_leaves_signed_by_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "job", content(signing_key="keys/shop.key"))
    (tmp_path / "job" / "keys").mkdir()
    public = create_key(tmp_path / "job" / "keys" / "shop.key")
    monkeypatch.chdir(tmp_path)
    config = AnswerConfig.load(path)
    config.check_key()
    signed = config.signed(plain_release())
    signed.check_key(public)
    assert signed.digest == plain_release().digest


@pytest.mark.parametrize("kind", ["missing", "no key", "a folder"])
def test_a_key_that_would_not_sign_is_refused_beforehand(tmp_path: Path, kind: str) -> None:
    if kind == "no key":
        (tmp_path / "shop.key").write_text("not a key", encoding="utf-8")
    elif kind == "a folder":
        (tmp_path / "shop.key").mkdir()
    config = AnswerConfig.load(write(tmp_path, content(signing_key="shop.key")))
    with pytest.raises(ReleaseError, match=r"KEY: 'shop\.key' holds no Ed25519 private key"):
        config.check_key()


def test_without_the_library_a_key_is_refused_beforehand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_key(tmp_path / "shop.key")
    config = AnswerConfig.load(write(tmp_path, content(signing_key="shop.key")))
    for name in [name for name in sys.modules if name.split(".")[0] == "cryptography"]:
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ReleaseError, match="SIGN_EXTRA"):
        config.check_key()


def test_a_key_that_is_no_text_is_refused_by_name(tmp_path: Path) -> None:
    assert "'signing_key'" in refused(write(tmp_path, content(signing_key=7)))


# --- releases answered before --------------------------------------------------------------
def sent(ledger: Ledger, folder: Path, name: str, **changes: Any) -> None:
    """Debit a request of that name, and save a release that names its debit."""
    debit = ledger.debit(matter(privacy={"epsilon": "0.1"}), "shop", request=name, attempt=0)
    made = dataclasses.replace(
        plain_release(), ledger_sequence=debit.sequence, ledger_head=debit.head
    )
    dataclasses.replace(made, **changes).save(folder / f"{name}.release")


def restored(folder: Path, **changes: Any) -> AnswerConfig:
    """A ledger put back to before its second release was answered."""
    path = write(folder, content(**changes))
    ledger = Ledger.create(folder / "shop.ledger", epsilon_cap="2")
    sent(ledger, folder, "first")
    backup = ledger.path.read_bytes()
    sent(ledger, folder, "second")
    ledger.path.write_bytes(backup)
    return AnswerConfig.load(path)


@pytest.mark.parametrize(
    "named", [["*.release"], ["second.release"], ["first.release", "sec*.release"]]
)
def test_a_restored_ledger_is_noticed_by_the_releases_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, named: list[str]
) -> None:
    config = restored(tmp_path / "job [1]", releases=named)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(LedgerError, match="LEDGER_ROLLED_BACK"):
        config.ledger()


@pytest.mark.parametrize("named", [[], ["first.release"], ["none-yet-*.release"]])
def test_releases_that_the_ledger_holds_or_that_are_not_there_yet_do_no_harm(
    tmp_path: Path, named: list[str]
) -> None:
    assert restored(tmp_path, releases=named).ledger().cap == 2


def test_a_release_named_and_missing_is_refused(tmp_path: Path) -> None:
    config = restored(tmp_path, releases=["third.release"])
    with pytest.raises(ReleaseError, match=r"FILE: 'third\.release'"):
        config.ledger()


def test_a_release_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    config = restored(tmp_path, releases=["*.release"])
    (tmp_path / "third.release").write_bytes(b"dpnotice release 1\n")
    with pytest.raises(ReleaseError, match=r"INTEGRITY: 'third\.release'"):
        config.ledger()


def test_releases_of_other_retailers_have_their_debits_elsewhere(tmp_path: Path) -> None:
    config = restored(tmp_path, releases=["*.release"])
    (tmp_path / "second.release").unlink()
    other = dataclasses.replace(plain_release(), retailer="another", ledger_sequence=99)
    other.save(tmp_path / "another.release")
    assert config.ledger().cap == 2


def test_signed_releases_are_held_against_the_ledger_too(tmp_path: Path) -> None:
    config = restored(tmp_path, releases=["signed.release"])
    create_key(tmp_path / "shop.key")
    second = Release.load(tmp_path / "second.release").signed(tmp_path / "shop.key")
    second.save(tmp_path / "signed.release")
    with pytest.raises(LedgerError, match="LEDGER_ROLLED_BACK"):
        config.ledger()


@pytest.mark.parametrize("given", ["*.release", [7], {"a": "b"}])
def test_releases_are_a_list_of_texts(tmp_path: Path, given: Any) -> None:
    assert "'releases" in refused(write(tmp_path, content(releases=given)))


# --- a place that is taken -----------------------------------------------------------------
@pytest.mark.parametrize("kind", ["file", "folder", "link to nowhere"])
def test_a_new_answer_is_never_written_over_what_is_there(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "shop.release"
    if kind == "file":
        place.write_bytes(b"mine")
    elif kind == "folder":
        place.mkdir()
    else:
        place.symlink_to(tmp_path / "elsewhere")
    config = AnswerConfig.load(write(tmp_path, content(output="shop.release")))
    with pytest.raises(ReleaseError, match=r"OUTPUT_EXISTS: .*nothing was debited"):
        config.check_output(answered=False)
    config.check_output(answered=True)


def test_a_free_place_is_no_refusal_and_stays_free(tmp_path: Path) -> None:
    config = AnswerConfig.load(write(tmp_path, content(output="shop.release")))
    before = sorted(tmp_path.iterdir())
    config.check_output(answered=False)
    assert sorted(tmp_path.iterdir()) == before
