"""The header of a release file, format 1, as a pydantic model.

In: a tree of JSON types from anyone. Out: the same, well typed, or a `ReleaseError`. What the
fields mean together is `release`'s to check.
"""

from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dpnotice.errors import ReleaseError

RETAILER_LENGTH: Final = 64
RETAILER_NAME: Final = r"^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$"
"""At most 64 characters, and no dot at an end or beside another."""
CAVEATS: Final = (
    "Every count carries random noise of the stated law, and may be negative.",
    "Purchases that name no buyer are not counted.",
    "Somebody who bought at several retailers is counted by each, and loses at most the sum.",
)
"""Fixed sentences that every file repeats for whoever reads it without dpnotice."""
SKETCH_CAVEAT: Final = "The bitmap holds buyers with a key only; its bits were flipped by chance."
"""What a file with a bitmap repeats beside them."""
_PLACE_SHOWN: Final = 80
_HASH: Final = r"^[0-9a-f]{64}$"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


_Printable = Annotated[str, Field(pattern=r"^[ -~]{1,64}$")]


class NoiseHeader(_Strict):
    """Law and scale, the scale as text in its shortest form."""

    law: Literal["discrete-laplace", "discrete-gaussian"]
    scale: Annotated[str, Field(max_length=32)]


class TableHeader(_Strict):
    """One table: its axes, its noise, and its counts unless they are in the raw part."""

    of: list[str]
    noise: NoiseHeader
    sensitivity: Annotated[int, Field(ge=1, le=1)]
    counts: list[int] | None


class PartHeader(_Strict):
    """Raw bytes behind the header: how many, and their digest."""

    name: Literal["tables", "sketch"]
    length: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=_HASH)]


class LedgerHeader(_Strict):
    """Where the debit stands in the retailer's ledger."""

    sequence: Annotated[int, Field(ge=1)]
    head: Annotated[str, Field(pattern=_HASH)]


class BlockHeader(_Strict):
    """The maps of one block: how many bits each has, as a power of 2."""

    level: Annotated[str, Field(max_length=64)]
    log2_bits: int


class SketchHeader(_Strict):
    """The bitmap, as far as it can be told without it."""

    format: Literal["flip-bitmap-1"]
    sketch_id: Annotated[str, Field(pattern=_HASH)]
    key_fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    rule: Literal["email-1", "id-1"]
    threshold: int
    planes: list[_Printable]
    blocks: list[BlockHeader]
    bit_order: Literal["little"]


class Header(_Strict):
    """The header of format 1. Fields may be added by a later format, never removed or redefined."""

    format: Annotated[int, Field(ge=1, le=1)]
    retailer: Annotated[str, Field(pattern=RETAILER_NAME, max_length=RETAILER_LENGTH)]
    inquiry: dict[str, Any]
    ids: Literal["as_is", "trim", "trim_ascii_lower"]
    neighbours: Literal["add or remove one buyer"]
    caveats: list[str]
    attempt: Annotated[int, Field(ge=0, le=10**6)]
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    ledger: LedgerHeader
    versions: Annotated[dict[_Printable, _Printable], Field(max_length=32)]
    tables: list[TableHeader]
    parts: list[PartHeader]
    sketch: SketchHeader | None = None

    @classmethod
    def read(cls, tree: object) -> Self:
        """Return the header that a tree holds.

        Raises:
            ReleaseError: ``HEADER``, naming the first field that is not as specified; its value is
                not shown.
        """
        try:
            return cls.model_validate(tree)
        except ValidationError as refusal:
            place = ".".join(map(str, refusal.errors()[0]["loc"]))
            raise ReleaseError(
                f"the header's field {place[:_PLACE_SHOWN]!a} is not as specified", code="HEADER"
            ) from None
