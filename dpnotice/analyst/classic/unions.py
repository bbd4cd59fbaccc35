"""Classic formulas of the union: Sainsbury, binomial, Agostini, Hofmans.

In: published audiences, insertions, duplications. Out: the figure that each formula gives.
"""

import warnings
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from dpnotice.analyst.classic.inputs import (
    DUST,
    ClassicReach,
    beta_binomial_pmf,
    check_audiences,
    check_duplications,
    check_insertions,
    check_shares,
    convolve,
    warn_impossible,
)

AGOSTINI_CONSTANT: Final = 1.125
"""Agostini's constant, fitted to French magazines (Agostini 1961)."""

_INDEPENDENT: Final = (
    "takes all exposures for independent; overstates reach where audiences overlap, or return, "
    "more than by chance"
)
_POOLED: Final = "pools vehicles into one of mean audience; never above Sainsbury, and like it "


def sainsbury(
    *,
    reach_1: npt.ArrayLike,
    insertions: Sequence[int] | None = None,
    duplications: npt.ArrayLike | None = None,
) -> ClassicReach:
    """Return reach and frequency if all exposures were independent ("random duplication").

    Reach 1 - prod (1 - p_i)^n_i; exposures follow the Poisson-binomial law (E. J. Sainsbury, London
    Press Exchange). Breaks wherever audiences overlap by more than chance, and within a vehicle
    whose insertions reach the same persons: both lower the true reach.

    Args:
        reach_1: (V,) p_i, shares of the universe that see one insertion.
        insertions: (V,) n_i; once each where not given.
        duplications: (V, V) p_ij where known, the diagonal ignored; only to warn.

    Raises:
        PlanError: a figure is not possible.

    >>> round(sainsbury(reach_1=[0.3, 0.4]).reach, 10)
    0.58
    """
    audiences = check_shares(reach_1, "reach_1")
    counts = check_insertions(insertions, len(audiences))
    if duplications is not None:
        _warn_of_overlap(check_duplications(duplications, audiences), audiences, np.array(counts))
    margins = (beta_binomial_pmf(p, 0.0, n) for p, n in zip(audiences, counts, strict=True))
    return ClassicReach(distribution=convolve(margins), note=_INDEPENDENT)


def binomial(*, reach_1: npt.ArrayLike, insertions: Sequence[int] | None = None) -> ClassicReach:
    """Return reach and frequency if every insertion were one of a mean vehicle.

    Binomial(N, p) with N = sum n_i and p = sum n_i p_i / N (Lee and Burkart 1960). Its reach is
    never above Sainsbury's, as the geometric mean of 1 - p_i is never above the arithmetic; so it
    may look cautious although it, too, takes exposures for independent.

    Args:
        reach_1: (V,) p_i, shares of the universe that see one insertion.
        insertions: (V,) n_i; once each where not given.

    Raises:
        PlanError: a figure is not possible.
    """
    audiences = check_shares(reach_1, "reach_1")
    counts = check_insertions(insertions, len(audiences))
    mean = float(np.dot(counts, audiences) / sum(counts))
    return ClassicReach(
        distribution=beta_binomial_pmf(mean, 0.0, sum(counts)),
        note=_POOLED + _INDEPENDENT,
    )


def agostini(*, reach_1: npt.ArrayLike, duplications: npt.ArrayLike) -> float:
    """Return Agostini's union of vehicles used once each, raw.

    S1^2 / (S1 + 1.125 S2), S1 = sum p_i, S2 = sum over pairs of p_ij (Agostini 1961). The constant
    is that of one survey. Breaks without notice: below the largest audience, and above 1 where
    audiences are large (five independent vehicles of 50 % give 117.6 %); both are warned of.

    Args:
        reach_1: (V,) p_i.
        duplications: (V, V) p_ij, the diagonal ignored.

    Raises:
        PlanError: a figure is not possible.
    """
    audiences = check_audiences(reach_1)
    pairs = check_duplications(duplications, audiences)
    total = audiences.sum()
    reach = float(total**2 / (total + AGOSTINI_CONSTANT * pairs.sum() / 2))
    warn_impossible("Agostini", reach, audiences)
    return reach


def hofmans_duplication(*, reach_1: npt.ArrayLike, duplications: npt.ArrayLike) -> float:
    """Return Hofmans' union of vehicles used once each, raw.

    S1^2 / (S1 + sum over pairs of k_ij p_ij), k_ij = (p_i + p_j) / (p_i + p_j - p_ij) (Hofmans
    1966): Agostini's form with a constant of each pair, so that it is exact for two vehicles. For
    more it can leave what is possible, of which it warns.

    Args:
        reach_1: (V,) p_i.
        duplications: (V, V) p_ij, the diagonal ignored.

    Raises:
        PlanError: a figure is not possible.
    """
    audiences = check_audiences(reach_1)
    pairs = check_duplications(duplications, audiences)
    both = np.add.outer(audiences, audiences)
    total = audiences.sum()
    reach = float(total**2 / (total + (both / (both - pairs) * pairs).sum() / 2))
    warn_impossible("Hofmans", reach, audiences)
    return reach


def _warn_of_overlap(
    pairs: npt.NDArray[np.float64],
    audiences: npt.NDArray[np.float64],
    counts: npt.NDArray[np.int_],
) -> None:
    """Warn where pairs of insertions in different vehicles overlap by more than chance."""
    above = np.outer(counts, counts) * (pairs - np.outer(audiences, audiences))
    np.fill_diagonal(above, 0.0)
    if above.sum() > DUST:
        warnings.warn(
            "Sainsbury: these audiences overlap by more than chance, so that it overstates reach; "
            "compare with a formula that uses duplications",
            stacklevel=3,
        )
