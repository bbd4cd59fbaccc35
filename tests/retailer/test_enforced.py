"""Only keys that the engine itself holds are keys: anything less, and the count proves its own."""

from typing import Any, Self

import ibis
import pytest

from dpnotice.retailer.enforced import keys_enforced
from dpnotice.retailer.purchases import Buyers, Opened, Purchases
from made.layouts import COLUMNS, cross

PEOPLE = "CREATE TABLE people (cust BIGINT {key}, age VARCHAR, home VARCHAR, old BIGINT {rest})"
SALES = "CREATE TABLE sales (id BIGINT {key}, sku VARCHAR, day DATE, till BIGINT {rest})"
PRIMARY, FOREIGN = "PRIMARY KEY", "REFERENCES people (cust)"


def connected(*statements: str) -> Any:
    engine = ibis.duckdb.connect()
    for statement in statements:
        engine.raw_sql(statement)
    return engine


def keyed(people: str = PRIMARY, sales: str = FOREIGN) -> Any:
    return connected(PEOPLE.format(key=people, rest=""), SALES.format(key=sales, rest=""))


def mapped(sales: Any, people: Any, **changes: Any) -> Purchases:
    return Purchases(
        sales,
        buyers=Buyers(people, buyer="cust", axes={"age": "age", "state": "home"}),
        **(COLUMNS | changes),
    )


def enforced(engine: Any, sales: Any = None, people: Any = None, **changes: Any) -> bool:
    sales = engine.table("sales") if sales is None else sales
    people = engine.table("people") if people is None else people
    with mapped(sales, people, **changes).opened() as tables:
        return keys_enforced(mapped(sales, people, **changes), tables)


@pytest.mark.parametrize("key", ["PRIMARY KEY", "UNIQUE"])
def test_a_unique_key_and_a_foreign_key_are_enforced(key: str) -> None:
    assert enforced(keyed(key)) is True


def test_a_foreign_key_of_the_table_is_enforced() -> None:
    rest = ", FOREIGN KEY (id) REFERENCES people (cust)"
    engine = connected(PEOPLE.format(key=PRIMARY, rest=""), SALES.format(key="", rest=rest))
    assert enforced(engine) is True


def test_a_unique_key_alone_is_not_enough() -> None:
    assert enforced(keyed(sales="")) is False


def test_two_tables_without_keys_are_not_enforced() -> None:
    assert enforced(keyed(people="", sales="")) is False


def test_a_composite_key_is_not_enough() -> None:
    pair = ", UNIQUE (cust, old)"
    double = connected(
        PEOPLE.format(key="", rest=pair),
        SALES.format(key="", rest=", FOREIGN KEY (id, till) REFERENCES people (cust, old)"),
    )
    assert enforced(double) is False


def test_a_composite_foreign_key_is_not_enough() -> None:
    engine = connected(
        PEOPLE.format(key=PRIMARY, rest=", UNIQUE (cust, old)"),
        SALES.format(key="", rest=", FOREIGN KEY (id, till) REFERENCES people (cust, old)"),
    )
    assert enforced(engine) is False


def test_a_unique_key_on_another_column_is_not_enough() -> None:
    engine = connected(
        "CREATE TABLE people (cust BIGINT, age VARCHAR, home VARCHAR, old BIGINT PRIMARY KEY)",
        SALES.format(key="REFERENCES people (old)", rest=""),
    )
    assert enforced(engine) is False


def test_a_foreign_key_on_another_column_is_not_enough() -> None:
    rest = ", FOREIGN KEY (till) REFERENCES people (cust)"
    engine = connected(PEOPLE.format(key=PRIMARY, rest=""), SALES.format(key="", rest=rest))
    assert enforced(engine) is False


def test_a_foreign_key_into_a_third_table_is_not_enough() -> None:
    engine = connected(
        PEOPLE.format(key=PRIMARY, rest=""),
        "CREATE TABLE strangers (cust BIGINT PRIMARY KEY)",
        SALES.format(key="REFERENCES strangers (cust)", rest=""),
    )
    assert enforced(engine) is False


@pytest.mark.parametrize("name", ["sales", "people"])
def test_a_view_of_a_keyed_table_is_not_enforced(name: str) -> None:
    engine = keyed()
    engine.raw_sql(f"CREATE VIEW seen AS SELECT * FROM {name} UNION ALL SELECT * FROM {name}")  # noqa: S608 -- names of the tests' own
    assert enforced(engine, **{name: engine.table("seen")}) is False


@pytest.mark.parametrize("name", ["sales", "people"])
def test_a_filtered_table_is_not_enforced(name: str) -> None:
    engine = keyed()
    table = engine.table(name)
    assert enforced(engine, **{name: table.filter(table[table.columns[0]] != 2)}) is False


@pytest.mark.parametrize("kind", ["TABLE", "VIEW"])
@pytest.mark.parametrize("name", ["sales", "people"])
def test_a_temporary_table_or_view_that_hides_a_keyed_one_is_not_enforced(
    name: str, kind: str
) -> None:
    engine, columns = keyed(), {"sales": "id, 'x' sku, DATE '2020-03-01' AS day", "people": "cust"}
    texts = ", ".join(f"'x' {column}" for column in ("age", "home"))
    engine.raw_sql(f"CREATE TEMPORARY {kind} {name} AS SELECT 1::BIGINT {columns[name]}, {texts}")
    assert enforced(engine) is False


def test_keys_of_the_same_names_in_another_schema_do_not_count() -> None:
    engine = keyed()
    engine.raw_sql("CREATE SCHEMA other")
    for name in ("people", "sales"):
        engine.raw_sql(f"CREATE TABLE other.{name} AS SELECT * FROM main.{name}")  # noqa: S608 -- names of the tests' own
    tables = [engine.table(name, database="other") for name in ("sales", "people")]
    assert enforced(engine, *tables) is False
    assert enforced(engine) is True


def test_keyed_tables_of_another_schema_are_enforced() -> None:
    engine = connected(
        "CREATE SCHEMA other",
        "CREATE TABLE other.people (cust BIGINT PRIMARY KEY, age VARCHAR, home VARCHAR)",
        "CREATE TABLE other.sales (id BIGINT REFERENCES other.people (cust), sku VARCHAR, "
        "day DATE)",
    )
    tables = [engine.table(name, database="other") for name in ("sales", "people")]
    assert enforced(engine, *tables) is True


def test_tables_of_two_schemas_are_not_enforced() -> None:
    engine = keyed()
    engine.raw_sql("CREATE SCHEMA other")
    engine.raw_sql("CREATE TABLE other.people AS SELECT * FROM main.people")
    assert enforced(engine, people=engine.table("people", database="other")) is False


@pytest.mark.parametrize("ids", ["as_is", "trim", "trim_ascii_lower"])
def test_text_ids_are_never_enforced(ids: str) -> None:
    """The engine compares them by a collation, and the count by their bytes."""
    engine = connected(
        "CREATE TABLE people (cust VARCHAR PRIMARY KEY, age VARCHAR, home VARCHAR)",
        "CREATE TABLE sales (id VARCHAR REFERENCES people (cust), sku VARCHAR, day DATE)",
    )
    assert enforced(engine, ids=ids) is False


def test_without_a_buyers_table_nothing_is_enforced() -> None:
    engine = keyed()
    plain = Purchases(engine.table("sales"), **COLUMNS)
    with plain.opened() as tables:
        assert keys_enforced(plain, tables) is False


def test_names_with_quotes_are_enforced_as_they_are() -> None:
    engine = connected(
        'CREATE TABLE "pe\'ople" ("cu\'st" BIGINT PRIMARY KEY, age VARCHAR)',
        'CREATE TABLE sales (id BIGINT REFERENCES "pe\'ople" ("cu\'st"), sku VARCHAR, day DATE)',
    )
    purchases = Purchases(
        engine.table("sales"), buyers=Buyers(engine.table("pe'ople"), buyer="cu'st"), **COLUMNS
    )
    with purchases.opened() as tables:
        assert keys_enforced(purchases, tables) is True


ROWS = [
    (
        "INSERT INTO people VALUES (1, 'old', 'CA', 1), (2, NULL, 'NY', 2), "
        "(3, 'young', 'NY', 3), (4, 'old', 'CA', 4), (5, 'old', 'CA', 5)"
    ),
    (
        "INSERT INTO sales VALUES (1, 'p', '2020-03-01', 1), (1, '42', '2020-03-02', 2), "
        "(2, 'p', '2020-03-01', 3), (NULL, 'p', '2020-03-01', 4), "
        "(3, 'other', '2020-03-01', 5), (4, 'p', '2021-01-01', 6)"
    ),
]


@pytest.mark.parametrize("key", ["PRIMARY KEY", "UNIQUE"])
def test_the_count_with_enforced_keys_is_the_one_without(key: str) -> None:
    found = []
    for engine in (keyed(key), keyed(people="", sales="")):
        for statement in ROWS:
            engine.raw_sql(statement)
        found.append(cross(mapped(engine.table("sales"), engine.table("people"))))
    assert found == [[[0, 1, 0], [0, 0, 1], [0, 0, 0]]] * 2


# --- a server's answer, without the server -------------------------------------------------
class Server:
    """An engine called postgres, on DuckDB's tables, that notes what it is asked."""

    name, current_catalog, current_database = "postgres", "shop", "public"

    def __init__(self, answer: object) -> None:
        self.answer, self.asked = answer, list[str]()

    def begin(self) -> Self:
        return self

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def execute(self, query: str, _values: object = ()) -> Self:
        self.setting = query.startswith("SHOW") or "set_config" in query
        self.asked += [] if self.setting else [query]
        return self

    def fetchone(self) -> tuple[object]:
        return ("UTC" if self.setting else self.answer,)


def on_server(server: Any, engine: Any = None) -> bool:
    engine = keyed() if engine is None else engine
    sales, people = engine.table("sales"), engine.table("people")
    return keys_enforced(mapped(sales, people), Opened(sales, people, server))


@pytest.mark.parametrize(("answer", "held"), [(True, True), (False, False), (None, False)])
def test_what_postgres_answers_is_believed(answer: object, *, held: bool) -> None:
    assert on_server(Server(answer)) is held


def test_postgres_is_asked_for_these_very_tables_and_columns() -> None:
    server = Server(answer=True)
    on_server(server)
    assert len(server.asked) == 1
    for name in ("'sales'", "'people'", "'id'", "'cust'"):
        assert name in server.asked[0]


def test_an_engine_without_enforced_keys_is_not_asked() -> None:
    server = Server(answer=True)
    server.name = "pyspark"
    assert on_server(server) is False
    assert server.asked == []


@pytest.mark.parametrize("name", ["PEOPLE", "People"])
def test_a_temporary_table_of_the_same_name_in_another_case_hides_a_keyed_one(name: str) -> None:
    """DuckDB finds names whatever their case; taken for keyed, one buyer would count twice."""
    engine = keyed()
    engine.raw_sql("INSERT INTO people VALUES (1, 'old', 'CA', 1)")
    engine.raw_sql("INSERT INTO sales VALUES (1, 'p', '2020-03-01', 1)")
    twice = "SELECT 1::BIGINT cust, unnest(['old', 'young']) age, 'CA' home"
    engine.raw_sql(f"CREATE TEMPORARY TABLE {name} AS {twice}")
    assert sum(map(sum, cross(mapped(engine.table("sales"), engine.table("people"))))) == 1
