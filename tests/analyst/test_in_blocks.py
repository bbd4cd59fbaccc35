from threading import Event, Thread
from time import sleep

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from dpnotice.analyst import in_blocks
from dpnotice.analyst.in_blocks import by_block

VALUES = np.random.default_rng(1).random((101, 3))


def blas_threads() -> list[int]:
    return [
        library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"
    ]


@pytest.mark.parametrize("numbers", [1, 10, 50, 10**6])
@pytest.mark.parametrize("cores", [1, 4])
def test_every_draw_is_worked_out_once_whatever_the_blocks_and_cores(
    monkeypatch: pytest.MonkeyPatch, numbers: int, cores: int
) -> None:
    monkeypatch.setattr(in_blocks, "_NUMBERS", numbers)
    monkeypatch.setattr(in_blocks.os, "cpu_count", lambda: cores)
    asked: list[slice] = []

    def block(rows: slice) -> np.ndarray:
        asked.append(rows)
        return VALUES[rows] ** 2

    assert np.array_equal(by_block(block, VALUES.shape, 3), VALUES**2)
    assert sorted(n for rows in asked for n in range(*rows.indices(101))) == list(range(101))


def test_a_block_holds_as_many_draws_as_its_numbers_allow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(in_blocks, "_NUMBERS", 60)
    asked: list[slice] = []

    def block(rows: slice) -> np.ndarray:
        asked.append(rows)
        return VALUES[rows]

    by_block(block, VALUES.shape, 6)
    assert {rows.stop - rows.start for rows in asked} == {10}


def test_threads_multiply_by_themselves_and_all_cores_do_afterwards() -> None:
    before, within = blas_threads(), []

    def block(rows: slice) -> np.ndarray:
        within.extend(blas_threads())
        return VALUES[rows]

    by_block(block, VALUES.shape, 3)
    assert set(within) == {1}
    assert blas_threads() == before


def test_an_error_within_a_block_comes_out() -> None:
    def block(_rows: slice) -> np.ndarray:
        raise OverflowError

    with pytest.raises(OverflowError):
        by_block(block, VALUES.shape, 3)
    assert by_block(lambda rows: VALUES[rows], VALUES.shape, 3).shape == (101, 3)


def test_callers_at_the_same_time_leave_all_cores_to_who_comes_after() -> None:
    """The second comes while the first is at work, and ends after it."""
    before, at_work, within = blas_threads(), Event(), []

    def first(rows: slice) -> np.ndarray:
        at_work.set()
        sleep(0.1)
        return VALUES[rows]

    def second(rows: slice) -> np.ndarray:
        within.extend(blas_threads())
        sleep(0.1)
        return VALUES[rows]

    one = Thread(target=by_block, args=(first, VALUES.shape, 3))
    one.start()
    at_work.wait(10)
    assert np.array_equal(by_block(second, VALUES.shape, 3), VALUES)
    one.join(10)
    assert set(within) == {1}
    assert blas_threads() == before
