"""The TOML form of an inquiry, as a pydantic model; its JSON Schema is what editors check against.

In: a dictionary. Out: the same, well typed. What the fields mean together is `inquiry`'s to check.
"""

from datetime import date
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from dpnotice.privacy import NoiseLaw

_SHOWN: Final = 60
MATTER_NAME: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class ProductsFile(_Strict):
    """Products listed in a CSV file with a column `product`."""

    file: str


class ProductsDigest(_Strict):
    """Products as a release shows them: how many, and the digest of the list."""

    count: Annotated[int, Field(ge=0)]
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class AxisFile(_Strict):
    """One axis, where their order must survive sorted keys."""

    name: str
    levels: list[str]


class TableFile(_Strict):
    """One marginal to release."""

    of: list[str]
    weight: str = "1"


class PrivacyFile(_Strict):
    """Loss and noise law."""

    # Numbers pass here and are refused by `exact_decimal`, whose words name the remedy.
    epsilon: str | int | float | bool | None = None
    rho: str | int | float | bool | None = None
    delta: str | int | float | bool | None = None
    noise: NoiseLaw | None = Field(None, strict=False)


_PlaneName = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[ -~]+$")]
_Guess = Annotated[int, Field(le=10**9)]


class PlaneFile(_Strict):
    """One plane of a sketch, where their order must survive sorted keys."""

    name: _PlaneName
    levels: list[str]


class SketchFile(_Strict):
    """The bitmap that each retailer releases, so that buyers of several are counted once."""

    epsilon: str | int | float | bool
    key: Literal["email", "id"]
    key_fingerprint: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")] | None = None
    expected_buyers: Annotated[int, Field(ge=1, le=10**9)]
    blocks: str | None = None
    expected_by: dict[str, _Guess] | list[_Guess] = []
    planes: dict[_PlaneName, list[str]] | list[PlaneFile] = []


class InquiryFile(_Strict):
    """The TOML form of an inquiry; its JSON Schema is what editors check against."""

    format: Annotated[int, Field(ge=1, le=1)]
    name: Annotated[str, Field(pattern=f"^{MATTER_NAME}$")]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    unit: Literal["buyer"] = "buyer"
    period: Annotated[list[date | str], Field(min_length=2, max_length=2)]
    timezone: str
    products: list[str] | ProductsFile | ProductsDigest
    quoted: list[list[str]] = []
    axes: dict[str, list[str]] | list[AxisFile]
    tables: Annotated[list[TableFile], Field(min_length=1)]
    privacy: PrivacyFile
    sketch: SketchFile | None = None


def told(refusal: ValidationError) -> str:
    """Return the first fault of a file in words: the field, what was given, the rule."""
    first = refusal.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"the field {field!r} is missing; add it"
    if first["type"] == "extra_forbidden":
        return f"{field!r} is no field of this file; correct its spelling or remove it"
    given = repr(first["input"])
    shown = given if len(given) <= _SHOWN else given[:_SHOWN] + "..."
    return f"the field {field!r} got {shown}: {first['msg'][0].lower()}{first['msg'][1:]}"
