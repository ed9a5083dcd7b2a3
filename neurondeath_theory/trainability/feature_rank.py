r"""Effective rank of the features that a network makes of a data set.

Definition. Features f_1..f_M of M points (the activations of a layer) are scaled to unit length and then centred over
the points; with $\lambda_i$ the eigenvalues of their Gram matrix divided by its trace, the **entropy rank** is
$\exp(-\sum \lambda_i \ln \lambda_i)$ and the **participation ratio** $1/\sum \lambda_i^2$, never larger. Both lie
between 1 and min(M - 1, width); equal features have rank 0; dead points (zero features) stay at the origin. The **root
rank** takes the entropy of the cube roots of the singular values, without centring: weak directions, which an optimiser
amplifies, weigh more, and a common direction weighs no more than another.

Scaling comes first: the lengths of the features, which vary from point to point in narrow networks, would otherwise
dominate the differences. The rank counts the directions of what is left of the differences, however small they are; the
uncentred rank, near 1 when all features point in one direction, is the measure of how small.

Source: Roy, Vetterli 2007, effective rank (exponential of the entropy of normalised singular values).
"""

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.validation import check_flag, check_points
from neurondeath_theory.gaussian_limit.correlation import check_covariance

__all__ = [
    "RESOLVED",
    "centred_spectrum_of_gram",
    "entropy_of_spectrum",
    "entropy_rank",
    "entropy_rank_of_gram",
    "participation_of_spectrum",
    "participation_ratio",
    "participation_ratio_of_gram",
    "root_rank",
    "unit_gram",
]

Array = npt.NDArray[np.float64]

EQUAL_FEATURES = 1e-15  # root mean square difference of unit-length features that is rounding
RESOLVED = 1e-6  # singular value, relative to the largest, that single precision tells from 0
EQUAL_GRAM = 1e-14  # trace of a centred unit-length Gram matrix, per point, that is rounding


def entropy_rank(features: npt.ArrayLike, *, centred: bool = True) -> float:
    """Compute the entropy rank of features scaled to unit length and centred.

    Parameters
    ----------
    features : array_like, shape (n_points, width)
        Features of each point; a point with zero features stays zero.
    centred : bool
        Whether to subtract the mean over the points.

    Returns
    -------
    float
        From 1 to min(n_points - 1, width); 0 if all features are zero or one direction to 1e-15.

    Raises
    ------
    InvalidArgumentError
        If the features are not a finite matrix.

    Examples
    --------
    >>> round(entropy_rank([[1.0, 0.0], [0.0, 3.0], [-2.0, 0.0], [0.0, -1.0]]), 12)
    2.0
    >>> entropy_rank([[1.0, 1.0], [2.0, 2.0]])
    0.0
    """
    return entropy_of_spectrum(_spectrum_of_features(features, centred))


def root_rank(features: npt.ArrayLike) -> float:
    """Compute the entropy rank of the cube roots of the singular values of unit-length features, before centring.

    Between the centred effective rank, which counts directions of the differences however small they are, and the
    uncentred entropy rank, which counts only large ones; of these it orders learned accuracy best (`learning_verdict`).
    Singular values below 1e-6 of the largest, which single precision cannot tell from 0, are left out.

    Parameters
    ----------
    features : array_like, shape (n_points, width)
        Features of each point; a point with zero features stays zero.

    Returns
    -------
    float
        From 1 to min(n_points, width); 0 if all features are zero.

    Raises
    ------
    InvalidArgumentError
        If the features are not a finite matrix.

    Examples
    --------
    >>> nearly_parallel, apart = [[1.0, 0.0], [1.0, 1e-4]], [[1.0, 0.0], [0.0, 1.0]]
    >>> round(root_rank(nearly_parallel), 3), round(root_rank(apart), 3)
    (1.166, 2.0)
    """
    values = np.sqrt(_spectrum_of_features(features, False))
    return entropy_of_spectrum(np.cbrt(values[values > RESOLVED * values.max(initial=0.0)]))


def participation_ratio(features: npt.ArrayLike, *, centred: bool = True) -> float:
    """Compute 1 / sum of the squared shares of the eigenvalues; arguments as in `entropy_rank`.

    Raises
    ------
    InvalidArgumentError
        If the features are not a finite matrix.

    Examples
    --------
    >>> round(participation_ratio([[1.0, 0.0], [0.0, 3.0], [-2.0, 0.0], [0.0, -1.0]]), 12)
    2.0
    """
    return participation_of_spectrum(_spectrum_of_features(features, centred))


def entropy_rank_of_gram(gram: npt.ArrayLike, *, centred: bool = True) -> float:
    """Compute the entropy rank of features from their Gram matrix, before scaling and centring.

    Parameters
    ----------
    gram : array_like, shape (n_points, n_points)
        Inner products of the features.
    centred : bool
        As in `entropy_rank`.

    Returns
    -------
    float
        As in `entropy_rank`; 0 if the centred Gram matrix is below 1e-14 per point. A Gram matrix resolves the square
        of what features resolve: differences of 1e-6 keep four digits.

    Raises
    ------
    InvalidArgumentError
        If the matrix is not square, symmetric and finite, or holds a correlation beyond 1.

    Examples
    --------
    >>> round(entropy_rank_of_gram([[1.0, 0.0, 0.0], [0.0, 4.0, 0.0], [0.0, 0.0, 9.0]]), 12)
    2.0
    """
    return entropy_of_spectrum(_spectrum_of_gram(gram, centred))


def participation_ratio_of_gram(gram: npt.ArrayLike, *, centred: bool = True) -> float:
    """Compute the participation ratio from a Gram matrix; arguments as in `entropy_rank_of_gram`.

    Raises
    ------
    InvalidArgumentError
        If the matrix is not square, symmetric and finite, or holds a correlation beyond 1.

    Examples
    --------
    >>> round(participation_ratio_of_gram([[1.0, 0.0], [0.0, 4.0]]), 12)
    1.0
    """
    return participation_of_spectrum(_spectrum_of_gram(gram, centred))


def entropy_of_spectrum(spectrum: Array) -> float:
    """Exponential of the entropy of eigenvalues divided by their sum; 0 if all are 0."""
    kept = spectrum[spectrum > 0.0]
    share = kept / kept.sum() if kept.size else kept
    share = share[share > 0.0]  # a quotient may underflow
    return float(np.exp(-np.sum(share * np.log(share)))) if kept.size else 0.0


def participation_of_spectrum(spectrum: Array) -> float:
    """Inverse of the sum of the squares of eigenvalues divided by their sum; 0 if all are 0."""
    largest = float(spectrum.max(initial=0.0))
    scaled = spectrum / largest if largest > 0.0 else spectrum
    return float(scaled.sum() ** 2 / np.sum(scaled**2)) if largest > 0.0 else 0.0


def unit_gram(gram: Array) -> Array:
    """Cosines of the features; 0 for those that are zero."""
    length = np.sqrt(np.diag(gram))
    inverse = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0.0)
    return np.asarray(gram * inverse[:, None] * inverse[None, :])


def centred_spectrum_of_gram(cosines: Array) -> Array:
    """Eigenvalues of a Gram matrix of unit-length features after centring, at least 0, shape (n_points,)."""
    row = cosines.mean(axis=0)
    centred = cosines - row[:, None] - row[None, :] + row.mean()
    spectrum = np.maximum(np.linalg.eigvalsh(centred), 0.0)
    return spectrum if spectrum.sum() > EQUAL_GRAM * len(cosines) else np.zeros_like(spectrum)


def _spectrum_of_gram(gram: npt.ArrayLike, centred: bool) -> Array:
    subtract = check_flag("centred", centred)
    cosines = unit_gram(check_covariance("gram", gram))
    return centred_spectrum_of_gram(cosines) if subtract else np.maximum(np.linalg.eigvalsh(cosines), 0.0)


def _spectrum_of_features(features: npt.ArrayLike, centred: bool) -> Array:
    subtract = check_flag("centred", centred)
    rows = check_points("features", features)
    largest = np.abs(rows).max(axis=1, keepdims=True)  # first, so that squares neither overflow nor underflow
    rows = np.divide(rows, largest, out=np.zeros_like(rows), where=largest > 0.0)
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    rows = np.divide(rows, length, out=rows, where=length > 0.0)
    if subtract:
        rows = rows - rows.mean(axis=0)
    spectrum = np.asarray(np.linalg.svd(rows, compute_uv=False) ** 2)
    return spectrum if spectrum.sum() > EQUAL_FEATURES**2 * len(rows) else np.zeros_like(spectrum)
