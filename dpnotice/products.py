"""The products in scope: a list inside the retailers, a number and a digest outside.

In: product texts or a CSV file of them. Out: a `ProductList` that two parties can compare.
"""

import csv
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from dpnotice.errors import InquiryError
from dpnotice.inquiry_file import ProductsDigest, ProductsFile


@dataclass(frozen=True, slots=True, kw_only=True)
class ProductList:
    """The products in scope; in a release only their number and digest travel.

    Attributes:
        count: number of distinct products.
        sha256: of the sorted list as canonical JSON.
        items: the product texts, or None when only the digest is known.
    """

    count: int
    sha256: str
    items: tuple[str, ...] | None = None

    @classmethod
    def of(cls, items: Iterable[str]) -> Self:
        """Build the list from its texts, sorted and without repeats."""
        unique = tuple(sorted(set(items)))
        if not unique or any(not text.strip() for text in unique):
            raise InquiryError("products must name at least one product, and none may be blank")
        return cls(count=len(unique), sha256=canonical_sha256(list(unique)), items=unique)


def canonical_sha256(content: object) -> str:
    """Return the SHA-256 of plain JSON types without floats, in canonical form, as hex."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


def read_products(given: list[str] | ProductsFile | ProductsDigest, folder: Path) -> ProductList:
    """Turn what an inquiry's file says of products into the list.

    Args:
        given: the texts, a file that holds them, or the digest that a release shows.
        folder: where the file lies.

    Raises:
        InquiryError: the file cannot be read as CSV text with a column `product`.
    """
    if isinstance(given, ProductsDigest):
        return ProductList(count=given.count, sha256=given.sha256)
    if isinstance(given, list):
        return ProductList.of(given)
    try:
        with (folder / given.file).open(encoding="utf-8-sig", newline="") as lines:
            rows = csv.DictReader(lines, strict=True)
            if "product" not in (rows.fieldnames or ()):
                raise InquiryError(f"{given.file!r} needs a column named 'product'; add the header")
            return ProductList.of(row["product"] or "" for row in rows)
    except (OSError, ValueError, csv.Error):
        raise InquiryError(f"cannot read the products file {given.file!r} as CSV text") from None
