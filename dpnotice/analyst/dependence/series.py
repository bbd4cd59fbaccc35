"""Power series: the generating functions of laws of counts, raised to powers and exponentials.

In: coefficients on the first axis. Out: the same many coefficients of the result.
"""

from typing import Final

import numpy as np

from dpnotice.analyst.intervals import Floats

_SUM: Final = "j...,j...->..."
_LEAST: Final = 1e-16
"""Stands for 0."""


def power(series: Floats, exponent: Floats | float) -> Floats:
    """Return the coefficients of a series raised to a real power, by Miller's recurrence.

    b_0 = a_0^p, b_n = (p sum over j = 1..n of a_j b_(n-j) - (p + 1) / n sum over j < n of
    a_j (n - j) b_(n-j)) / a_0: Henrici, Applied and Computational Complex Analysis 1 (1974),
    section 1.6.

    Args:
        series: (n, ...), its first coefficient above 0.
        exponent: p, broadcastable to the coefficients.

    >>> power(np.array([1.0, -1.0, 0.0]), -1.0)
    array([1., 1., 1.])
    """
    first = np.maximum(series[0], _LEAST)
    start = first**exponent
    found = np.empty((len(series), *start.shape))
    times = np.empty_like(found)
    found[0] = start
    for n in range(1, len(series)):
        found[n] = exponent * np.einsum(_SUM, series[1 : n + 1], found[n - 1 :: -1])
        found[n] -= (exponent + 1) / n * np.einsum(_SUM, series[1:n], times[n - 1 : 0 : -1])
        found[n] /= first
        times[n] = n * found[n]
    return found


def exponential(series: Floats) -> Floats:
    """Return the coefficients of the exponential of a series.

    b_0 = exp(a_0), b_n = (1 / n) sum over j = 1..n of j a_j b_(n-j).

    >>> exponential(np.array([0.0, 1.0, 0.0]))
    array([1. , 1. , 0.5])
    """
    found = [np.exp(series[0])]
    for n in range(1, len(series)):
        found.append(sum(j * series[j] * found[n - j] for j in range(1, n + 1)) / n)
    return np.stack(found)
