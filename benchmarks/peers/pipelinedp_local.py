"""PipelineDP's local backend: privacy ids counted by public partitions, one partition each."""

import pipeline_dp
import pyarrow.parquet as pq
from question import Question


def main() -> None:
    asked = Question()
    asked.begin()
    table = pq.read_table(asked.filtered, columns=["customer_id", "cell"])
    rows = list(zip(table["customer_id"].to_pylist(), table["cell"].to_pylist(), strict=True))
    del table
    budget = pipeline_dp.NaiveBudgetAccountant(total_epsilon=1, total_delta=0)
    engine = pipeline_dp.DPEngine(budget, pipeline_dp.LocalBackend())
    params = pipeline_dp.AggregateParams(
        metrics=[pipeline_dp.Metrics.PRIVACY_ID_COUNT],
        noise_kind=pipeline_dp.NoiseKind.LAPLACE,
        max_partitions_contributed=1,
        max_contributions_per_partition=1,
    )
    extractors = pipeline_dp.DataExtractors(
        privacy_id_extractor=lambda row: row[0],
        partition_extractor=lambda row: row[1],
        value_extractor=lambda _row: 0,
    )
    cells = list(range(len(asked.cells)))
    result = engine.aggregate(rows, params, extractors, public_partitions=cells)
    budget.compute_budgets()
    asked.report(
        ((cell, counted.privacy_id_count) for cell, counted in result),
        "given the rows in scope, cells numbered; one cell of each buyer by chance",
    )


if __name__ == "__main__":
    main()
