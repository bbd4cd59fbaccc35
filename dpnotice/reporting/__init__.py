"""Words, figures, tables and pages; knows frames and plain dictionaries only."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes  # annotations of `.plot` name it through here
