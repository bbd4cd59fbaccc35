"""Example cases with their truth: one of real purchases, one synthetic at any size."""

from dpnotice.datasets.case import Case
from dpnotice.datasets.complete_journey import Visits, complete_journey, store_visits
from dpnotice.datasets.wen_like import wen_like

__all__ = ["Case", "Visits", "complete_journey", "store_visits", "wen_like"]
