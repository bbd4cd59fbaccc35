"""Faults of tables and least squares, each with the test that must see it.

In: nothing. Out: name -> module, edits of its source, and the test that fails under them.
"""

from typing import Final

from made.noise_faults import COUNTS, DESIGN, NOISES, Fault, one

_DENSE: Final = COUNTS + "every_determined_marginal_is_that_of_dense_least_squares"
_ESTIMATE: Final = COUNTS + "the_estimate_is_that_of_dense_least_squares"
_PRODUCTS: Final = COUNTS + "product_queries_are_those_of_dense_least_squares"
_ROOT: Final = COUNTS + "draws_are_a_square_root_of_the_dense_covariance"
_EQUAL: Final = COUNTS + "axes_of_equal_size_are_not_exchanged"
_PRECISION: Final = DESIGN + (
    "the_precision_of_a_pattern_is_the_inverse_variance_of_a_unit_query_in_it"
)
_VARIANCE: Final = DESIGN + "the_variance_is_that_of_dense_least_squares"
_COVARIANCE: Final = DESIGN + "the_covariance_of_several_queries_is_that_of_dense_least_squares"
_WEIGHTS: Final = DESIGN + "the_weights_on_the_noise_are_those_of_dense_least_squares"
_LAW: Final = DESIGN + ("product_queries_have_every_weight_of_the_dense_law_as_often_as_it_occurs")
_REFUSED: Final = DESIGN + "what_no_table_determines_is_refused_by_owner_and_marginal"
_COORDINATES: Final = DESIGN + "the_coordinates_are_the_orthonormal_cosines"
_BACK: Final = DESIGN + "the_way_back_is_the_transposed_cosines"
_TOLD: Final = "transform(noisy.counts.astype(np.float64))"
_MARGINAL: Final = "return back(self._coefficients(names, self.design.inverse(names)))"
_BLOCKS: Final = "for place, generator in blocks:"
_AGAIN: Final = (
    "for place, generator in [(p, stream(f\"counts/{self.retailer}/{'+'.join(n)}\")) "
    "for n, p in patterns(names)]:"
)
_SHARED: Final = "coefficients[_shared(table, names)]\n    return total"


CLIPPING: Final = {
    "the released cells are clipped": one(
        *("analyst.counts", _TOLD, "transform(np.maximum(0.0, noisy.counts))", _DENSE)
    ),
    "the released cells are clipped for a query": one(
        "analyst.counts",
        "term.weights @ counts.ravel()",
        "term.weights @ np.maximum(0, counts.ravel())",
        _ESTIMATE,
    ),
    "the estimated cells are clipped": one(
        "analyst.counts",
        _MARGINAL,
        _MARGINAL.replace("return ", "return np.maximum(0.0, ") + ")",
        COUNTS + "unclipped_cells_of_mostly_empty_tables_sum_to_the_total",
    ),
    "drawn cells are clipped": one(
        "analyst.counts",
        "part[...] = back(part, leading=1)",
        "part[...] = np.maximum(0.0, back(part, leading=1))",
        COUNTS + "draws_of_empty_cells_may_be_negative",
    ),
}
COORDINATES: Final = {
    "m_A omitted from the precision": one(
        "analyst.design",
        "self.cells_per(names) / max(noise.variance",
        "1 / max(noise.variance",
        _PRECISION,
    ),
    "sqrt(m_A) omitted from the tables": one(
        "analyst.counts",
        "(told / math.sqrt(design.cells_per(names)))",
        "told",
        _DENSE,
    ),
    "sqrt(m_B) omitted from a marginal": one(
        "analyst.counts", "scale = math.sqrt(self.design.cells_per(names))", "scale = 1.0", _DENSE
    ),
    "sqrt(m_B) omitted from draws": one(
        *("analyst.counts", "np.sqrt(self.design.cells_per(names) * ", "np.sqrt(", _ROOT)
    ),
    "m_B omitted from a variance": one(
        *("analyst.design", "float(self.cells_per(names) * np.sum(", "float(np.sum(", _VARIANCE)
    ),
    "m_B omitted from a covariance": one(
        "analyst.design", "np.sqrt(self.cells_per(names) * spread(", "np.sqrt(spread(", _COVARIANCE
    ),
    "sqrt(m_A) omitted from the weights": one(
        "analyst.design",
        "factor = told / math.sqrt(self.cells_per(table))",
        "factor = told",
        _WEIGHTS,
    ),
    "sqrt(m_B) omitted from the weights": one(
        "analyst.design",
        "coefficients = math.sqrt(self.cells_per(names)) * coefficients",
        "coefficients = 1.0 * coefficients",
        _WEIGHTS,
    ),
    "m_A omitted from the weights of a product": one(
        "analyst.design",
        "factor = told * math.prod(",
        "factor = told / self.cells_per(table) * math.prod(",
        _LAW,
    ),
    "cells alike omitted from a product": one(
        "analyst.design", "alike * times.ravel()", "times.ravel()", _LAW
    ),
    "the mean of an axis that a table lacks omitted from a product": one(
        "analyst.design",
        "told * math.prod(mean[name] for name in names if name not in table)",
        "told",
        _LAW,
    ),
    "a product's parts are not centred": one(
        "analyst.design", "mean[n]), v - mean[n]])", "mean[n]), v])", _LAW
    ),
    "the coordinates are not orthonormal": one(
        "analyst.design", 'dctn(cells, norm="ortho")', "dctn(cells)", _COORDINATES
    ),
    "the way back is not orthonormal": one(
        "analyst.design", 'norm="ortho", overwrite_x=True', "overwrite_x=True", _BACK
    ),
    "neither is orthonormal, but each undoes the other": (
        "analyst.design",
        (
            ('dctn(cells, norm="ortho")', "dctn(cells)"),
            ('norm="ortho", overwrite_x=True', "overwrite_x=True"),
        ),
        _DENSE,
    ),
    "the coordinates of another kind": one(
        "analyst.design",
        'dctn(cells, norm="ortho")',
        'dctn(cells, type=3, norm="ortho")',
        _PRODUCTS,
    ),
}
AXES: Final = {
    "two axes exchanged in a marginal": one("analyst.counts", _MARGINAL, _MARGINAL + ".T", _EQUAL),
    "two axes exchanged in a table": one(
        *("analyst.counts", _TOLD, "transform(noisy.counts.astype(np.float64).T)", _EQUAL)
    ),
    "two axes exchanged in a query": one(
        "analyst.counts", "term.weights @ counts.ravel()", "term.weights @ counts.T.ravel()", _EQUAL
    ),
    "two axes exchanged in what tables share": one(
        "analyst.design", _SHARED, _SHARED.replace("\n", ".T\n"), _EQUAL
    ),
    "two axes exchanged in the weights": one(
        "analyst.design", "back(held).ravel()", "back(held).T.ravel()", _WEIGHTS
    ),
    "two axes exchanged in the copies of a product": one(
        "analyst.design",
        "times = np.multiply.outer(times, copies[name])",
        "times = np.multiply.outer(copies[name], times)",
        _LAW,
    ),
    "the axes of a product taken in their opposite order": one(
        *("analyst.counts", "reduce(_along, query.values(), known)"),
        "reduce(_along, reversed(query.values()), known)",
        _EQUAL,
    ),
}
UNIDENTIFIED: Final = {
    "an unidentified pattern is 0": (
        "analyst.design",
        (("if len(missing):", "if False:"), ("where=needed)", "where=needed & (precision > 0))")),
        _REFUSED,
    ),
    "an unidentified pattern of a marginal is 0": one(
        "analyst.counts",
        _MARGINAL,
        _MARGINAL.replace("inverse", "known"),
        COUNTS + "a_marginal_that_no_table_determines_is_refused_by_name",
    ),
    "an unidentified pattern of a query is 0": one(
        "analyst.design",
        "inverse = self.inverse(names, _energy(coefficients))",
        "inverse = self.known(names)",
        COUNTS + "a_query_with_weight_on_an_unmeasured_pattern_is_refused_by_name",
    ),
    "an unidentified pattern of a product is 0": one(
        "analyst.design",
        "self.inverse(names, reduce(np.multiply.outer, squares, np.ones(())))",
        "self.known(names)",
        COUNTS + "a_product_query_on_an_unmeasured_pattern_is_refused_by_name",
    ),
    "an unidentified pattern of a covariance is 0": one(
        "analyst.design",
        "spread(self.inverse(names, energy), names, self)",
        "spread(self.known(names), names, self)",
        _REFUSED,
    ),
    "an unidentified pattern of draws is 0": one(
        "analyst.counts",
        "inverse = self.design.inverse(names)",
        "inverse = self.design.known(names)",
        COUNTS + "draws_of_an_unmeasured_marginal_are_refused",
    ),
    "a small weight on an unidentified pattern is dust": one(
        "analyst.design",
        "_WEIGHTLESS: Final = 1e-18",
        "_WEIGHTLESS: Final = 1e-9",
        DESIGN + "a_small_weight_on_what_no_table_determines_is_refused_too",
    ),
    "float dust on an unidentified pattern is refused": one(
        "analyst.design",
        "_WEIGHTLESS: Final = 1e-18",
        "_WEIGHTLESS: Final = 1e-33",
        DESIGN + "float_dust_on_what_no_table_determines_is_no_weight",
    ),
}
DRAWS: Final = {
    "every block of draws begins anew": one(
        "analyst.counts",
        _BLOCKS,
        _AGAIN,
        COUNTS + "draws_are_the_same_however_many_are_transformed_together",
    ),
    "every pattern has the same numbers": one(
        "analyst.counts",
        "{'+'.join(pattern)}",
        "",
        COUNTS + "every_pattern_is_drawn_from_a_stream_of_its_own",
    ),
    "every retailer has the same numbers": one(
        "analyst.counts",
        "counts/{self.retailer}",
        "counts",
        COUNTS + "draws_of_two_retailers_are_different",
    ),
    "the numbers of all axes come from one stream": one(
        "analyst.counts",
        "{'+'.join(pattern)}",
        "{'+'.join(names)}/{'+'.join(pattern)}",
        COUNTS + "a_further_axis_moves_no_other_draw",
    ),
}
FAULTS: Final[dict[str, Fault]] = {
    **CLIPPING,
    **COORDINATES,
    **AXES,
    **UNIDENTIFIED,
    **DRAWS,
    **NOISES,
}
