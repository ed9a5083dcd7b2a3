"""Encoders of sparse autoencoders drawn one by one, as plainly as possible: which features ever fire."""

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


def silent_share(inputs: Array, n_features: int, k: int | None, *, span: Array | None = None, seed: int = 0) -> float:
    """Draw one encoder and return the share of its features that fire on no input.

    Rows have unit length and lie in the span of the columns of `span`, if given. TopK fires the k largest features that
    are above 0, ReLU all above 0.
    """
    rng = np.random.default_rng(seed)
    rows = rng.standard_normal((n_features, inputs.shape[1] if span is None else span.shape[1]))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    encoder = rows if span is None else rows @ span.T
    fired = np.zeros(n_features, dtype=bool)
    for point in inputs:
        features = encoder @ point
        order = np.arange(n_features) if k is None else np.argpartition(-features, k)[:k]
        fired[order[features[order] > 0.0]] = True
    return float(1.0 - fired.mean())


def leading_components(inputs: Array, rank: int) -> Array:
    """Return the leading principal components as columns, by a singular value decomposition."""
    _, _, rows = np.linalg.svd(inputs - inputs.mean(axis=0), full_matrices=False)
    return np.asarray(rows[:rank].T)
