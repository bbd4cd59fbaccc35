"""Tumult Analytics on Spark: an id column, one row per id, counts by a public key set.

Spark filters and numbers cells before the session, row by row: a `map` of Tumult's is a Python
call for every row.
"""

import os
import sys
import tempfile

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as sf
from question import Question
from tmlt.analytics import (
    AddRowsWithID,
    KeySet,
    MaxRowsPerID,
    PureDPBudget,
    QueryBuilder,
    Session,
)


def started(folder: str) -> SparkSession:
    """Start Spark on all cores, keeping its files in one folder and Python to this one."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    return (
        SparkSession.builder.master("local[*]")
        .config("spark.driver.memory", "6g")
        .config("spark.sql.warehouse.dir", f"{folder}/warehouse")
        .config("spark.local.dir", folder)
        .config("spark.sql.shuffle.partitions", "16")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )


def rows_in_scope(spark: SparkSession, asked: Question) -> DataFrame:
    start, end = (sf.lit(day).cast(asked.date) for day in asked.period)
    rows = spark.read.parquet(asked.parts).filter(
        (sf.col("ordered_at") >= start)
        & (sf.col("ordered_at") < end)
        & sf.col("sku").isin(asked.products)
    )
    cell: Column = sf.lit(0)
    for column, levels in asked.levels.items():
        pairs = [
            sf.lit(item) for pair in zip(levels, range(len(levels)), strict=True) for item in pair
        ]
        code = sf.coalesce(sf.create_map(*pairs)[sf.col(column)], sf.lit(len(levels) - 1))
        cell = cell * len(levels) + code
    return rows.select("customer_id", cell.cast("long").alias("cell"))


def main() -> None:
    asked = Question()
    with tempfile.TemporaryDirectory() as folder:
        spark = started(folder)
        spark.sparkContext.setLogLevel("ERROR")
        asked.begin()
        session = Session.from_dataframe(
            PureDPBudget(1),
            "sales",
            rows_in_scope(spark, asked),
            protected_change=AddRowsWithID("customer_id"),
        )
        keys = KeySet.from_dict({"cell": list(range(len(asked.cells)))})
        query = QueryBuilder("sales").enforce(MaxRowsPerID(1)).groupby(keys).count()
        counted = session.evaluate(query, PureDPBudget(1)).collect()
        asked.report(
            ((row["cell"], row["count"]) for row in counted),
            "starting Spark not timed; one row of each buyer, not the latest",
        )
        spark.stop()


if __name__ == "__main__":
    main()
