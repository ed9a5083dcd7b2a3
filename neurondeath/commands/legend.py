"""What symbols and short names of columns mean: one list for the line below every table.

The same list, in the same order, is the table of symbols in docs/glossary.md; a test compares them.
"""

import re
from collections.abc import Iterable

__all__ = ["COLUMN_MEANINGS", "SYMBOL_MEANINGS", "legend"]

# names of columns
COLUMN_MEANINGS = {
    "tau": "threshold, where the activation begins to be nonzero",
    "m": "clipping height, measured from the threshold",
    "sigma_w2": "variance of the weights times the fan-in",
    "sigma_b2": "variance of the biases",
    "q": "mean square of the pre-activations",
    "sparsity": "share of activations that are exactly zero",
    "v_prime": "V'(q*)",
    "v_second": "V''(q*)",
    "clip": "m / sqrt(q*), the clipping height in standard deviations",
    "bias_share": "sigma_b2 / q*",
    "curvature": "q* V''(q*)",
    "fluctuation": "standard deviation of q / q* after one layer, times sqrt(width)",
    "gradient_share": "share of units that pass a gradient",
    "signal": "P(an input is alive through all layers)",
    "gradient": "P(a gradient comes back through all layers)",
    "q_deviation": "standard deviation of q about q* in the last layer",
    "escape": "P(q passes escape_threshold)",
    "de_caen": "lower bound on P(alive) from all pairs of points",
    "gallot": "a sharper one of this kind",
    "n_rays": "directions among the points",
    "general_lower": "lower bound that holds for any inputs",
    "needed": "share of units that the inputs of a batch need",
    "dense_us": "microseconds per batch with every product",
    "sparse_us": "microseconds per batch without the zeros",
    "ratio": "dense_us / sparse_us",
    "correlation": "mean cosine between the pre-activations of two points",
    "score": "root_rank times step_gain, orders networks by what they learn",
    "root_rank": "directions that the last features span",
    "step_gain": "share of the promised decrease of the loss that a first step gains",
    "log_gradient": "mean log of the squared gradient with respect to a layer's pre-activations",
    "dynamic_dnr": "share of units at zero that still have weights",
}
# symbols in texts: what they look like, what they mean
SYMBOL_MEANINGS = {
    "n_l": (r"\bn_l\b", "width of layer l"),
    "chi_1": (r"\bchi_?1\b", "growth per layer of the mean squared gradient"),
    "V'": (r"\bV'(?!')", "slope of the variance map; a fixed point attracts where it is below 1"),
    "V''": (r"\bV''", "curvature of the variance map"),
    "q*": (r"\bq\*", "fixed point of the variance map"),
    "D": (r"\bD = ", "effective depth of a residual stream"),
}
SEPARATOR = " | "  # a word of its own, so that wrapping never changes another one


def legend(columns: Iterable[str], text: str) -> str:
    """Explain what is not plain in a table, in one line; empty if nothing needs it.

    Parameters
    ----------
    columns : iterable of str
        Names of the columns that are shown.
    text : str
        The titles, notes and cells that are shown.

    Examples
    --------
    >>> legend(["depth", "q"], "looks-linear | critical residual, D = 1")
    'q: mean square of the pre-activations | D: effective depth of a residual stream'
    >>> legend(["width"], "no symbol")
    ''
    """
    shown = set(columns)
    found = {name: meaning for name, meaning in COLUMN_MEANINGS.items() if name in shown}
    texts = " ".join([text, *found.values()])
    for name, (pattern, meaning) in SYMBOL_MEANINGS.items():
        if re.search(pattern, texts):
            found[name] = meaning
    return SEPARATOR.join(f"{name}: {meaning}" for name, meaning in found.items())
