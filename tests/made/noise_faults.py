"""Faults of noise laws, quantiles and shares, each with the test that must see it.

In: nothing. Out: name -> module, edits of its source, and the test that fails under them.
"""

from typing import Final

from made.grafts import Edits

Fault = tuple[str, Edits, str]
COUNTS: Final = "analyst/test_counts.py::test_"
DESIGN: Final = "analyst/test_design.py::test_"
INTERVALS: Final = "analyst/test_intervals.py::test_"
TOGETHER: Final = "analyst/test_together.py::test_"
HERE: Final = "audit/test_planted_faults_of_counts.py::test_"
_WHOLE: Final = COUNTS + "a_whole_is_the_sum_over_every_level_unknown_included"
_PRECISION: Final = DESIGN + (
    "the_precision_of_a_pattern_is_the_inverse_variance_of_a_unit_query_in_it"
)
_LONE: Final = INTERVALS + ("a_lone_count_has_the_smallest_whole_half_width_that_covers")
_FEW: Final = INTERVALS + ("few_unequal_laplace_weights_cover_at_least_the_level_and_little_more")
_SMALL: Final = INTERVALS + "few_laplace_weights_of_small_scale_cover_the_level"
_FIELLER: Final = INTERVALS + "gaussian_ends_solve_fiellers_quadratic"
_OWN: Final = INTERVALS + ("laplace_ends_lie_at_the_exact_quantile_of_the_combination_itself")
_UNBOUNDED: Final = INTERVALS + (
    "a_denominator_not_separated_from_zero_is_flagged_and_gives_everything"
)
_Z: Final = "float(ndtri((1 + level) / 2))"
_PART: Final = "lower = upper = min(1.0, max(0.0, part[0] / bottom))"
_DELTA: Final = (
    "r = part[0] / bottom; "
    f"h = {_Z} * part[1].minus(whole[1].times(r)).sd / bottom; "
    "return max(0.0, r - h), min(1.0, r + h), True"
)


def one(module: str, old: str, new: str, test: str) -> Fault:
    """A fault of a single edit."""
    return module, ((old, new),), test


NOISE: Final = {
    "1.96 for a lone Laplace count": one(
        "analyst.intervals",
        "return largest * used[0].noise.half_width(level)",
        f"return {_Z} * self.sd",
        _LONE,
    ),
    "1.96 for few Laplace weights": one(
        "analyst.intervals",
        "return largest * _inverted",
        f"return {_Z} * self.sd or _inverted",
        _FEW,
    ),
    "1.96 for many Laplace weights": one(
        "analyst.intervals",
        "z + excess_kurtosis * (z**3 - 3 * z) / 24",
        "z",
        INTERVALS + "cornish_fisher_adds_the_kurtosis_term_to_the_normal_quantile",
    ),
    "the variance of continuous Laplace noise": one(
        "privacy", "return 0.5 / math.sinh(half) ** 2", "return 2 * self.scale**2", _PRECISION
    ),
    "the variance of continuous Laplace noise in a table alone": one(
        "privacy",
        "return 0.5 / math.sinh(half) ** 2",
        "return 2 * self.scale**2",
        DESIGN + "a_table_alone_released_twice_has_half_its_variance",
    ),
    "the loss of bounded neighbours": one(
        "privacy",
        "1 / (2 * scale * scale)",
        "1 / (scale * scale)",
        HERE + "the_loss_of_a_table_is_what_one_buyer_more_can_change",
    ),
    "the loss of a buyer in two cells": one(
        "privacy",
        "return 1 / scale if",
        "return 2 / scale if",
        HERE + "the_loss_of_a_table_is_what_one_buyer_more_can_change",
    ),
    "Cornish-Fisher for a lone count": (
        "analyst.intervals",
        (
            ("if len(used) == 1 and used[0].copies.sum() == 1:", "if False:"),
            ("smooth = self.sd >= _LATTICE_SD * largest", "smooth = True"),
            ("_NEARLY_NORMAL: Final = 0.3", "_NEARLY_NORMAL: Final = 1e9"),
        ),
        _LONE,
    ),
    "Cornish-Fisher for few counts of small scale": (
        "analyst.intervals",
        (
            ("smooth = self.sd >= _LATTICE_SD * largest", "smooth = True"),
            ("_NEARLY_NORMAL: Final = 0.3", "_NEARLY_NORMAL: Final = 1e9"),
            ("if not step:", "if True:"),
        ),
        _SMALL,
    ),
    "weights rounded inward on the lattice": one(
        *("analyst.intervals", "math.ceil(weight / step", "math.floor(weight / step", _FEW)
    ),
    "copies of a weight forgotten in a variance": one(
        "analyst.intervals",
        "np.sum(n * a * a)",
        "np.sum(a * a)",
        INTERVALS + "copies_have_the_moments_of_the_weights_that_they_stand_for",
    ),
    "copies of a weight forgotten in a width": one(
        "analyst.intervals",
        "np.bincount(place, weights=term.copies)",
        "np.bincount(place) * 1.0",
        INTERVALS + "copies_have_the_half_width_of_the_weights_that_they_stand_for",
    ),
}
SEVERAL: Final = {
    "the noise of one retailer is forgotten": one(
        "analyst.intervals",
        "return LinearNoise(self.terms + other.terms)",
        "return LinearNoise(self.terms)",
        INTERVALS + "variances_of_independent_estimates_add_and_standard_deviations_do_not",
    ),
    "standard deviations are added": one(
        "analyst.intervals",
        "return sum(self.variances)",
        "return float(sum(np.sqrt(self.variances)) ** 2)",
        DESIGN + "an_error_has_the_variance_of_its_weights",
    ),
    "a second inquiry is forgotten": one(
        "analyst.counts",
        "for release in releases for item",
        "for release in releases[:1] for item",
        COUNTS + "two_inquiries_with_different_tables_are_combined",
    ),
    "the same file counts twice": (
        "analyst.together",
        (("        _check_repeat(before, after)\n", ""),),
        TOGETHER + "the_same_release_twice_is_refused",
    ),
    "a table released twice counts once": one(
        "analyst.design",
        "total[_shared(names, table)] += told",
        "total[_shared(names, table)] = told",
        DESIGN + "a_table_released_twice_is_the_table_with_half_its_variance",
    ),
    "a table released twice has two sets of coefficients": one(
        "analyst.design",
        "new[_shared(table, earlier)] = False",
        "pass",
        DESIGN + "the_coefficients_are_the_rank_of_the_design",
    ),
}
COUNTED: Final = {
    "the lower end is rounded outward": one(
        "analyst.intervals",
        "np.ceil(np.asarray(value) - half_width - _DUST)",
        "np.floor(np.asarray(value) - half_width - _DUST)",
        INTERVALS + "ends_are_rounded_inward",
    ),
    "the upper end is rounded outward": one(
        "analyst.intervals",
        "np.floor(np.asarray(value) + half_width + _DUST)",
        "np.ceil(np.asarray(value) + half_width + _DUST)",
        INTERVALS + "ends_are_rounded_inward",
    ),
    "the lower end is above the upper one": one(
        "analyst.intervals",
        "none_left = np.maximum(0.0, np.rint(value)), lower > upper",
        "none_left = np.maximum(0.0, np.rint(value)), lower > upper + 9",
        INTERVALS + "a_count_interval_has_whole_ends_in_order_and_none_below_zero",
    ),
}
SHARES: Final = {
    "a share with the quantile of the part": one(
        "analyst.intervals",
        "mixed = noise_top.minus(noise_bottom.times(share))",
        "mixed = noise_top",
        _OWN,
    ),
    "a share with the quantile of the whole": one(
        "analyst.intervals",
        "mixed = noise_top.minus(noise_bottom.times(share))",
        "mixed = noise_bottom",
        _OWN,
    ),
    "a share with 1.96": one(
        "analyst.intervals",
        "mixed.half_width(level, points=_RATIO_POINTS) / mixed.sd if mixed.sd else 0.0",
        _Z,
        _OWN,
    ),
    "a share by the delta method": one("analyst.intervals", _PART, _DELTA, _FIELLER),
    "a share whose part and whole are independent": one(
        "analyst.intervals", " - c**2 * noise_top.covariance(noise_bottom)", "", _FIELLER
    ),
    "an unbounded set shown as a point": one(
        "analyst.intervals",
        "half_width(level):\n        return _NO_ENDS",
        "half_width(level):\n        return 0.5, 0.5, True",
        _UNBOUNDED,
    ),
    "an unbounded set not flagged": one(
        "analyst.intervals",
        "half_width(level):\n        return _NO_ENDS",
        "half_width(level):\n        return 0.0, 1.0, True",
        _UNBOUNDED,
    ),
    "a denominator above 0 taken as separated from it": (
        "analyst.intervals",
        (
            ("if bottom <= noise_bottom.half_width(level):", "if bottom <= 0:"),
            ("    if a <= 0:\n        return None\n", "    a = abs(a) or 1.0\n"),
        ),
        _UNBOUNDED,
    ),
    "`unknown` dropped from a denominator": one(
        "analyst.counts",
        "reduce(_along, query.values(), known)",
        "reduce(_along, [np.append(w[:-1], w[-1] * any(w != 1)) for w in query.values()], known)",
        _WHOLE,
    ),
    "`unknown` dropped from the error of a denominator": one(
        "analyst.design",
        "_merged([query[name] for query in queries])",
        "_merged([np.append(w[:-1], w[-1] * (w != 1).any()) for w in (q[name] for q in queries)])",
        _WHOLE,
    ),
    "`unknown` dropped from the cells of a total": one(
        "analyst.design",
        "math.prod(len(axis) for name, axis",
        "math.prod(len(axis) - 1 for name, axis",
        DESIGN + "unknown_is_a_level_like_the_others",
    ),
}
NOISES: Final[dict[str, Fault]] = {**NOISE, **SEVERAL, **COUNTED, **SHARES}
