"""One retailer's exact counts and bits, kept so that the noise of its release can be drawn again.

In: a case with a sketch. Out: releases as the retailer would make them, outside any ledger; the
noise is that of the release, fresh every time.
"""

from datetime import date

from dpnotice.datasets import Case
from dpnotice.inquiry import Inquiry
from dpnotice.release import Release
from dpnotice.retailer import mechanism, sketch


class Taken:
    """What stays inside a retailer's walls."""

    def __init__(self, case: Case, retailer: str, key: sketch.DocketKey) -> None:
        self.retailer, self.key = retailer, key
        self.counts, exact = sketch.take(case.inquiry, case.purchases(retailer), key)
        self.bits = exact._bits

    def release(self, inquiry: Inquiry) -> Release:
        """Return one repetition; the inquiry may state another loss than the case's."""
        assert inquiry.sketch is not None
        exact = sketch.ExactBitmap(inquiry.sketch)
        exact._bits[:] = self.bits
        return Release(
            retailer=self.retailer,
            inquiry=inquiry,
            tables=mechanism.draw(inquiry, self.counts, mechanism.calibrate(inquiry)),
            attempt=0,
            date=date(2026, 1, 1),
            ledger_sequence=1,
            ledger_head="0" * 64,
            versions={},
            sketch=sketch.flipped(inquiry, exact, self.key),
        )
