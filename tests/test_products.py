"""A list of products is the same list whatever its order; outside it is a number and a digest."""

from pathlib import Path

import pytest

from dpnotice.errors import InquiryError
from dpnotice.inquiry_file import ProductsDigest, ProductsFile
from dpnotice.products import ProductList, read_products


def test_order_and_repeats_do_not_change_the_digest() -> None:
    assert ProductList.of(["b", "a", "b"]) == ProductList.of(["a", "b"])


def test_another_product_changes_the_digest() -> None:
    assert ProductList.of(["a"]).sha256 != ProductList.of(["b"]).sha256


def test_a_file_and_a_list_of_the_same_products_agree(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("product,name\n2,x\n1,y\n", encoding="utf-8")
    assert read_products(ProductsFile(file="p.csv"), tmp_path) == ProductList.of(["1", "2"])


def test_a_digest_carries_no_products() -> None:
    shown = ProductsDigest(count=3, sha256="0" * 64)
    assert read_products(shown, Path()).items is None


@pytest.mark.parametrize("items", [[], ["a", " "]])
def test_no_product_or_a_blank_one_is_refused(items: list[str]) -> None:
    with pytest.raises(InquiryError, match="at least one product, and none may be blank"):
        ProductList.of(items)


@pytest.mark.parametrize("content", [b"name\nx\n", b"\xff\xfe"])
def test_a_file_without_the_column_or_that_is_no_text_is_refused(
    tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(InquiryError, match="product"):
        read_products(ProductsFile(file="p.csv"), tmp_path)
