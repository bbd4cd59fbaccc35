"""The benchmark's own SQL, by hand: what dpnotice's query is held against.

In: where the purchases and the buyers are. Out: DuckDB queries. They want the temporary tables
that `levels` makes: the products in scope and the public levels with their numbers.
"""

# ruff: noqa: S608 -- every text in a query is a constant of the benchmark

from dataclasses import dataclass

from answer_data import AXES, CELLS, COLUMNS, IN_SCOPE, PERIOD


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a layout keeps its rows.

    Attributes:
        sales: what stands behind FROM for the purchases.
        buyers: the same for the buyers table, or None where each purchase has the attributes.
        date: kind of ``ordered_at``.
    """

    sales: str
    buyers: str | None
    date: str

    @property
    def read(self) -> tuple[str, ...]:
        """The columns of the purchases that are read."""
        own = () if self.buyers else tuple(COLUMNS.values())
        return ("customer_id", "sku", "ordered_at", *own)


def levels() -> list[str]:
    """Build the small tables that the queries join."""
    products = ", ".join(f"('{text}')" for text in IN_SCOPE)
    made = [f"CREATE TEMP TABLE scope AS SELECT * FROM (VALUES {products}) t(sku)"]
    for axis, texts in AXES.items():
        rows = ", ".join(f"('{text}', {place}::BIGINT)" for place, text in enumerate(texts))
        made.append(
            f"CREATE TEMP TABLE {axis}_levels AS SELECT * FROM (VALUES {rows}) t(text, code)"
        )
    return made


def scan(source: Source) -> str:
    """Read every value that is needed, once, and do next to nothing with it."""
    kinds = {"customer_id": "bit_xor(customer_id)", "ordered_at": "max(ordered_at), count(*)"}
    touched = (kinds.get(column, f"sum(strlen({column}))") for column in source.read)
    query = f"SELECT {', '.join(touched)} FROM {source.sales}"
    if source.buyers is None:
        return query
    texts = " + ".join(f"strlen({column})" for column in COLUMNS.values())
    return (
        f"{query} UNION ALL SELECT bit_xor(customer_id), sum({texts}), NULL, 0 FROM {source.buyers}"
    )


def raw(source: Source) -> str:
    """Count distinct buyers by the attributes as they are, with neither privacy nor a bound."""
    names = ", ".join(COLUMNS.values())
    rows = _in_scope(source, ("customer_id", *([] if source.buyers else COLUMNS.values())))
    if source.buyers is not None:
        rows = f"SELECT * FROM ({rows}) JOIN {source.buyers} USING (customer_id)"
    return f"SELECT {names}, count(DISTINCT customer_id) AS buyers FROM ({rows}) GROUP BY {names}"


def native(source: Source) -> str:
    """Count as dpnotice does: a record per buyer, their cell, buyers per cell."""
    if source.buyers is None:
        return _latest_cells(source)
    rows = _in_scope(source, ("customer_id",))
    return f"""
        SELECT coalesce(cell, {CELLS - 1}) AS cell, count(*) AS buyers
        FROM (SELECT DISTINCT customer_id FROM ({rows}))
        LEFT JOIN (SELECT customer_id, {_cell()} AS cell FROM {source.buyers} {_level_joins()})
            USING (customer_id)
        GROUP BY cell"""


def native_with_keys(source: Source) -> str:
    """Count the buyers table's rows that bought: the same only where both keys are enforced."""
    rows = _in_scope(source, ("customer_id",))
    return f"""
        SELECT {_cell()} AS cell, count(*) AS buyers FROM {source.buyers} {_level_joins()}
        WHERE customer_id IN ({rows})
        GROUP BY cell"""


def buyers_in_scope(source: Source) -> str:
    return f"SELECT count(DISTINCT customer_id) FROM ({_in_scope(source, ('customer_id',))})"


def public_rows(source: Source) -> str:
    """Build the rows in scope with public levels and the number of their cell."""
    texts = ", ".join(
        f"coalesce({axis}_levels.text, 'unknown') AS {column}" for axis, column in COLUMNS.items()
    )
    rows = _in_scope(source, ("customer_id", *COLUMNS.values()))
    return f"SELECT customer_id, {texts}, {_cell()} AS cell FROM ({rows}) {_level_joins()}"


def _latest_cells(source: Source) -> str:
    """Pack day and cell into one key, so that one max() finds each buyer's latest cell."""
    since = f"ordered_at - DATE '{PERIOD[0]}'"
    if source.date == "timestamp":
        since = f"epoch(ordered_at)::BIGINT - epoch(TIMESTAMP '{PERIOD[0]}')::BIGINT"
    rows = _in_scope(source, ("customer_id", "ordered_at", *COLUMNS.values()))
    return f"""
        SELECT {CELLS - 1} - key % {CELLS} AS cell, count(*) AS buyers
        FROM (SELECT max(({since})::BIGINT * {CELLS} + {CELLS - 1} - {_cell()}) AS key
              FROM ({rows}) {_level_joins()} GROUP BY customer_id)
        GROUP BY cell"""


def _in_scope(source: Source, columns: tuple[str, ...]) -> str:
    """Keep the rows of the period with a buyer and a product in scope."""
    kind = source.date.upper()
    return (
        f"SELECT {', '.join(columns)} FROM {source.sales} WHERE customer_id IS NOT NULL "
        f"AND ordered_at >= {kind} '{PERIOD[0]}' AND ordered_at < {kind} '{PERIOD[1]}' "
        "AND sku IN (SELECT sku FROM scope)"
    )


def _cell() -> str:
    """Number the cell, the last axis fastest; whatever is no public level is the last one."""
    cell = "0"
    for axis, texts in AXES.items():
        size = len(texts) + 1
        cell = f"({cell}) * {size} + coalesce({axis}_levels.code, {len(texts)})"
    return f"({cell})"


def _level_joins() -> str:
    return " ".join(
        f"LEFT JOIN {axis}_levels ON {axis}_levels.text = {column}"
        for axis, column in COLUMNS.items()
    )
