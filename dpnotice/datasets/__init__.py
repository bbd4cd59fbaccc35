"""Example cases with their truth: one of real purchases, one synthetic at any size."""

from dpnotice.datasets.case import Case
from dpnotice.datasets.journey import Visits, complete_journey, store_visits
from dpnotice.datasets.synthetic import wen_like

__all__ = ["Case", "Visits", "complete_journey", "store_visits", "wen_like"]
