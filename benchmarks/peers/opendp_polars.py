"""OpenDP's Polars context: rows in scope -> one record per buyer -> noisy counts by public keys.

Truncating by a group per buyer is about four times faster than `truncate_per_group`. The noisy
plan is collected once, by the streaming engine, which OpenDP calls honest but curious.
"""

import opendp.prelude as dp
import polars as pl
from question import Question

dp.enable_features("contrib", "honest-but-curious")


def rows_in_scope(asked: Question) -> pl.LazyFrame:
    """Filter, and pack time and cell into one key, row by row before the context."""
    kind = pl.Date if asked.date == "date" else pl.Datetime("us")
    start, end = (pl.lit(day).str.to_date().cast(kind) for day in asked.period)
    since = (pl.col("ordered_at") - start).dt
    cell = pl.lit(0, pl.Int64)
    for column, levels in asked.levels.items():
        numbers = {level: number for number, level in enumerate(levels)}
        unknown = numbers["unknown"]
        code = pl.col(column).replace_strict(numbers, default=unknown, return_dtype=pl.Int64)
        cell = cell * len(levels) + code
    total = len(asked.cells)
    elapsed = since.total_days() if asked.date == "date" else since.total_seconds()
    return (
        pl.scan_parquet(asked.parts)
        .filter(pl.col("ordered_at") >= start, pl.col("ordered_at") < end)
        .filter(pl.col("sku").is_in(asked.products))
        .select("customer_id", key=elapsed * total + (total - 1 - cell))
    )


def main() -> None:
    asked = Question()
    asked.begin()
    total = len(asked.cells)
    context = dp.Context.compositor(
        data=rows_in_scope(asked),
        privacy_unit=dp.unit_of(contributions=1, identifier="customer_id"),
        privacy_loss=dp.loss_of(epsilon=1.0),
        split_evenly_over=1,
    )
    counts = (
        context.query()
        .group_by("customer_id")
        .agg(pl.col("key").max())
        .with_columns(cell=total - 1 - pl.col("key") % total)
        .group_by("cell")
        .agg(dp.len(signed=True))
        .with_keys(pl.LazyFrame({"cell": range(total)}, schema={"cell": pl.Int64}))
        .release()
        .lazy()
        .collect(engine="streaming")
    )
    asked.report(zip(counts["cell"], counts["len"], strict=True), "streaming engine")


if __name__ == "__main__":
    main()
