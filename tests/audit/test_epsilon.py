"""What one buyer's presence costs, measured from released files: never above the declared epsilon.

Every cell is a trial of its own: the noise of cells is independent, and two data sets, one with a
buyer in each cell and one with none, are answered whole (counted, debited, drawn, stored, read
back). A lower bound of epsilon (Clopper and Pearson) lies above the true one with a chance of at
most 2e-7, in each of 4 tests, without an approximation; that at a million trials it stays below
0.98 has a chance of 1.9e-7 (two binomial events, as normal). Together: below 1e-6 a run.
"""

from pathlib import Path

import pytest

from dpnotice.retailer import mechanism
from made.audited import grid, quieter, trial
from made.auditing import epsilon_bound, typical_epsilon_bound

ALARM = 2e-7
LAPLACE = "discrete-laplace"
SCALE_FAULT = 0.95


def bound(folder: Path, epsilon: str, rows: int, columns: int, tables: int = 1) -> float:
    asked = grid({"epsilon": epsilon, "noise": LAPLACE}, rows, columns, tables)
    return epsilon_bound(*trial(asked, folder), ALARM)


# --- one table -----------------------------------------------------------------------------
def test_a_small_audit_finds_no_more_than_epsilon(tmp_path: Path) -> None:
    """False alarm: 2e-7."""
    assert bound(tmp_path, "1", 40, 500) <= 1


@pytest.mark.slow
def test_a_million_trials_find_epsilon_and_no_more(tmp_path: Path) -> None:
    """False alarm: 2e-7 at the upper end, 1.9e-7 at the lower."""
    found = bound(tmp_path, "1", 1000, 1000)
    assert 0.98 <= found <= 1


@pytest.mark.slow
def test_a_scale_five_percent_too_small_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mechanism, "_measurement", quieter(SCALE_FAULT))
    assert typical_epsilon_bound(1 / SCALE_FAULT, 1, 400_000, ALARM) > 1.03  # 10 s.d. above 1
    assert bound(tmp_path, "1", 400, 1000) > 1


# --- two tables ----------------------------------------------------------------------------
def test_two_tables_together_find_no_more_than_epsilon(tmp_path: Path) -> None:
    """False alarm: 2e-7."""
    assert bound(tmp_path, "1", 20, 500, tables=2) <= 1


@pytest.mark.slow
def test_two_tables_of_half_a_million_cells_find_epsilon_and_no_more(tmp_path: Path) -> None:
    """False alarm: 2e-7 at the upper end, 1e-12 at the lower."""
    assert 0.95 <= bound(tmp_path, "1", 500, 500, tables=2) <= 1


def test_noise_for_one_table_in_each_of_two_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half the scale in both: epsilon 2 for 1."""
    monkeypatch.setattr(mechanism, "_measurement", quieter(0.5))
    assert bound(tmp_path, "1", 20, 500, tables=2) > 1.5
