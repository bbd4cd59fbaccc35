"""SmartNoise SQL on a pandas frame: distinct private keys, one group each, every group kept."""

import pandas as pd
import snsql
from question import Question

QUERY = """
    SELECT ship_state, age_band, contact, COUNT(DISTINCT customer_id) AS buyers
    FROM shop.sales GROUP BY ship_state, age_band, contact
"""


def metadata(asked: Question) -> dict[str, object]:
    table = {
        "row_privacy": False,
        "max_ids": 1,
        "sample_max_ids": True,
        "censor_dims": False,
        "customer_id": {"private_id": True, "type": "int"},
        **{column: {"type": "string"} for column in asked.levels},
    }
    return {"": {"shop": {"sales": table}}}


def main() -> None:
    asked = Question()
    asked.begin()
    frame = pd.read_parquet(asked.filtered, columns=["customer_id", *asked.levels])
    reader = snsql.from_df(
        frame, privacy=snsql.Privacy(epsilon=1.0, delta=1e-9), metadata=metadata(asked)
    )
    _names, *counted = reader.execute(QUERY)
    asked.report(
        ((tuple(texts), buyers) for *texts, buyers in counted),
        "given the rows in scope; delta 1e-9 is asked of it; truncates towards zero",
    )


if __name__ == "__main__":
    main()
