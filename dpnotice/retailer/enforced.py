"""Two tables -> whether the engine itself enforces that their ids fit together.

In: the purchases and the buyers as opened. Out: a truth value. Only then may the count start from
the buyers table: unique ids there keep each buyer to one record, and the foreign key leaves nobody
out. What cannot be shown is taken as not enforced.
"""

from typing import Any, Final

from ibis.expr.operations import DatabaseTable

from dpnotice.retailer.clock import in_utc
from dpnotice.retailer.purchases import Opened, Purchases

# Names of DuckDB are found whatever their case.
_DUCKDB: Final = """
WITH held AS (
    SELECT constraint_type AS kind, lower(table_name) AS of_table,
           list_transform(constraint_column_names, lambda c: lower(c)) AS columns,
           lower(referenced_table) AS to_table,
           list_transform(referenced_column_names, lambda c: lower(c)) AS to_columns
    FROM duckdb_constraints()
    WHERE lower(database_name) = lower({catalog}) AND lower(schema_name) = lower({schema})
), temporaries AS (
    SELECT lower(table_name) AS named FROM duckdb_tables() WHERE temporary
    UNION ALL SELECT lower(view_name) FROM duckdb_views() WHERE temporary
)
SELECT EXISTS (SELECT 1 FROM held WHERE kind IN ('PRIMARY KEY', 'UNIQUE')
               AND of_table = lower({buyers}) AND columns = [lower({id})])
   AND EXISTS (SELECT 1 FROM held WHERE kind = 'FOREIGN KEY'
               AND of_table = lower({purchases}) AND columns = [lower({buyer})]
               AND to_table = lower({buyers}) AND to_columns = [lower({id})])
   AND NOT EXISTS (SELECT 1 FROM temporaries
                   WHERE named IN (lower({buyers}), lower({purchases})))
"""
# A child of an inherited table escapes its parent's key, an unvalidated or switched-off foreign key
# says nothing about the rows that are there, a deferred one may be broken meanwhile, a policy hides
# rows, and a temporary table or view hides the one of the same name.
_POSTGRES: Final = """
WITH named AS (
    SELECT c.oid, c.relname, a.attname, a.attnum
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relkind = 'r' AND NOT c.relhassubclass AND NOT c.relrowsecurity
      AND n.nspname = {schema} AND pg_catalog.current_database() = {catalog}
), b AS (SELECT * FROM named WHERE relname = {buyers} AND attname = {id}),
   p AS (SELECT * FROM named WHERE relname = {purchases} AND attname = {buyer}),
   sound AS (
    SELECT * FROM pg_catalog.pg_constraint AS k
    WHERE k.convalidated AND NOT k.condeferrable AND NOT EXISTS (
        SELECT 1 FROM pg_catalog.pg_trigger AS t
        WHERE t.tgconstraint = k.oid AND t.tgenabled NOT IN ('O', 'A'))
)
SELECT EXISTS (SELECT 1 FROM sound AS k JOIN b ON k.conrelid = b.oid
               WHERE k.contype IN ('p', 'u') AND k.conkey = ARRAY[b.attnum])
   AND EXISTS (SELECT 1 FROM sound AS k JOIN p ON k.conrelid = p.oid
               JOIN b ON k.confrelid = b.oid
               WHERE k.contype = 'f' AND k.conkey = ARRAY[p.attnum]
                 AND k.confkey = ARRAY[b.attnum])
   AND NOT EXISTS (SELECT 1 FROM pg_catalog.pg_class AS c
                   WHERE c.relnamespace = pg_catalog.pg_my_temp_schema()
                     AND c.relname IN ({buyers}, {purchases}))
"""
_QUERIES: Final = {"duckdb": _DUCKDB, "postgres": _POSTGRES}


def keys_enforced(purchases: Purchases, tables: Opened) -> bool:
    """Tell whether each id is once in the buyers table, and each purchase's id is in it.

    Args:
        purchases: the meaning of the columns. Keys of text ids count as not enforced: the engine
            compares them by a collation, and the count by their bytes, spelt by a rule.
        tables: the opened tables.

    Returns:
        True only where the engine holds a unique key on the one and a foreign key on the other.
    """
    if purchases.buyers is None or tables.buyers is None:
        return False
    if tables.purchases.schema()[purchases.buyer].is_string():
        return False
    ends = [tables.purchases.op(), tables.buyers.op()]
    spaces = {_space(tables.engine, end) for end in ends if isinstance(end, DatabaseTable)}
    named = all(isinstance(end, DatabaseTable) for end in ends)
    if not named or tables.engine.name not in _QUERIES or len(spaces) != 1:
        return False
    catalog, schema = spaces.pop()
    names = {"purchases": ends[0].name, "buyers": ends[1].name, "catalog": catalog}
    names |= {"schema": schema, "id": purchases.buyers.buyer, "buyer": purchases.buyer}
    return _asked(tables.engine, {name: _quoted(text) for name, text in names.items()})


def _space(engine: Any, table: DatabaseTable) -> tuple[str, str]:
    space = table.namespace
    return (space.catalog or engine.current_catalog, space.database or engine.current_database)


def _asked(engine: Any, names: dict[str, str]) -> bool:
    query = _QUERIES[engine.name].format(**names)
    if engine.name == "duckdb":
        return bool(engine.raw_sql(query).fetchall()[0][0])  # to the end, or it blocks
    with in_utc(engine), engine.begin() as cursor:
        return bool(cursor.execute(query).fetchone()[0])


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
