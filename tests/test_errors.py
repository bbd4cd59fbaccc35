from pathlib import Path

import pytest

from dpnotice import errors
from dpnotice.errors import PURCHASES_RULES, DpnoticeError, PurchasesError, ReleaseError

CLASSES = [each for each in vars(errors).values() if isinstance(each, type)]
WARNINGS = [each for each in CLASSES if issubclass(each, Warning)]


@pytest.mark.parametrize("each", [each for each in CLASSES if each not in WARNINGS])
def test_every_error_is_the_projects_own(each: type[Exception]) -> None:
    assert issubclass(each, DpnoticeError)


@pytest.mark.parametrize("each", WARNINGS)
def test_every_warning_is_one_that_users_see(each: type[Warning]) -> None:
    assert issubclass(each, UserWarning)


def test_a_code_stands_before_the_words() -> None:
    refusal = ReleaseError("its SHA-256 differs; ask for it again", code="INTEGRITY")
    assert str(refusal) == "INTEGRITY: its SHA-256 differs; ask for it again"
    assert refusal.code == "INTEGRITY"


def test_without_a_code_the_words_stand_alone() -> None:
    refusal = ReleaseError("its SHA-256 differs")
    assert str(refusal) == "its SHA-256 differs"
    assert refusal.code == ""


@pytest.mark.parametrize("code", PURCHASES_RULES)
def test_a_refusal_at_a_retailer_is_its_code_and_fixed_text(code: str) -> None:
    assert PurchasesError(code).args == (f"{code}: {PURCHASES_RULES[code]}",)


@pytest.mark.parametrize("code", PURCHASES_RULES)
def test_no_fixed_text_has_room_for_a_value(code: str) -> None:
    assert not set("{}%") & set(PURCHASES_RULES[code])


@pytest.mark.parametrize("code", PURCHASES_RULES)
def test_a_code_is_one_upper_case_name_and_its_text_one_line(code: str) -> None:
    assert code.isascii()
    assert code == code.upper()
    assert "\n" not in PURCHASES_RULES[code]


def test_every_code_with_a_fixed_text_is_raised_somewhere() -> None:
    folder = Path(errors.__file__).parent
    others = [path for path in folder.rglob("*.py") if path.name != "errors.py"]
    source = "".join(path.read_text("utf-8") for path in others)
    assert {code for code in PURCHASES_RULES if f'"{code}"' not in source} == set()


def test_a_refusal_at_a_retailer_names_the_argument() -> None:
    refusal = PurchasesError("AXES_MISSING", field="axes.state")
    assert str(refusal).endswith("add it [axes.state]")
    assert refusal.field == "axes.state"


def test_a_code_without_a_fixed_text_cannot_be_raised() -> None:
    with pytest.raises(KeyError):
        PurchasesError("customer 4711")
