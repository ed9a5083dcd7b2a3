r"""Covariance maps of wide convolutional networks in one and two dimensions.

Model: a layer with kernel positions $\beta$, stride 1 and outputs of the input's size,
$h'_c(a) = b_c + \sum_{c',\beta} W_{cc'\beta}\, \phi(h_{c'}(a + \beta))$, weights of variance
$\sigma_w^2 / (|\text{kernel}|\, C_{in})$, biases of variance $\sigma_b^2$. Over the random weights

$$\Sigma'_{a,a'} = \sigma_b^2 + \frac{\sigma_w^2}{|\text{kernel}|} \sum_\beta K_{a+\beta,\,a'+\beta},$$

with $K = E\phi(h_a)\phi(h_{a'})$, or for the first layer the channel average of products of image values. When the
channels of h are independent and Gaussian (the first layer's output, at any number of channels) this is exact; deeper
it is the limit of many channels. Circular padding commutes with translations; zero padding (positions outside
contribute nothing) does not. A kernel of even length k reaches (k - 1) // 2 positions back and k // 2 ahead.

Source: price2024 (arXiv 2402.16184), the map of convolutional networks.
"""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from neurondeath_theory.foundation.validation import check_choice, check_reals, check_widths, invalid
from neurondeath_theory.gaussian_limit.correlation import activation_products, check_covariance
from neurondeath_theory.gaussian_limit.variance import check_activation, check_variances
from neurondeath_theory.networks.activations import ActivationLike

__all__ = ["convolution_covariance_map", "convolution_input_covariance"]

Array = npt.NDArray[np.float64]

PADDINGS = ("circular", "zero")


def convolution_covariance_map(
    activation: ActivationLike,
    covariance: npt.ArrayLike,
    kernel: Sequence[int],
    sigma_w2: float = 1.0,
    sigma_b2: float = 0.0,
    *,
    padding: str = "circular",
) -> Array:
    """Covariance over positions (and images) of the next convolutional layer's pre-activations.

    Parameters
    ----------
    activation : PiecewiseLinear or str
        The activation.
    covariance : array_like, shape (*grid, *grid) or (n_images, *grid, n_images, *grid)
        Covariance of this layer's pre-activations in one channel; `grid` has as many axes as `kernel`, one or two.
    kernel : sequence of int
        Kernel lengths, (k,) or (k1, k2).
    sigma_w2, sigma_b2 : float
        Weight variance times fan-in (kernel size times channels), above 0, and bias variance, at least 0.
    padding : str
        "circular" or "zero".

    Returns
    -------
    float array
        The next layer's covariance, of the same shape.

    Raises
    ------
    InvalidArgumentError
        If the shape does not fit the kernel, the covariance is not symmetric, or an argument leaves its domain.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import relu
    >>> white = np.eye(4)
    >>> convolution_covariance_map(relu(), white, (3,), 2.0).round(4)[0].tolist()
    [1.0, 0.3183, 0.3183, 0.3183]
    >>> convolution_covariance_map(relu(), white, (3,), 2.0, padding="zero").round(4)[0].tolist()
    [0.6667, 0.2122, 0.2122, 0.1061]
    """
    phi = check_activation(activation)
    weight, bias = check_variances(sigma_w2, sigma_b2)
    lengths = _check_kernel(kernel)
    array = check_reals("covariance", covariance)
    half, remainder = divmod(array.ndim, 2)
    shape = array.shape[:half]
    if remainder or shape != array.shape[half:] or half not in (len(lengths), len(lengths) + 1) or array.size == 0:
        rule = "have shape (*grid, *grid) or (n_images, *grid, n_images, *grid), a grid axis for each kernel length"
        raise invalid("covariance", rule, f"shape {array.shape} with kernel {lengths}")
    n_positions = math.prod(shape)
    matrix = check_covariance("covariance", array.reshape(n_positions, n_positions))
    products = activation_products(phi, matrix).reshape(array.shape)
    return weight * _kernel_average(products, lengths, check_choice("padding", padding, PADDINGS)) + bias


def convolution_input_covariance(
    images: npt.ArrayLike,
    kernel: Sequence[int],
    sigma_w2: float = 1.0,
    sigma_b2: float = 0.0,
    *,
    padding: str = "circular",
) -> Array:
    """Covariance over positions and images of the first convolutional layer's pre-activations.

    Parameters
    ----------
    images : array_like, shape (n_images, n_channels, *grid)
        Input images; `grid` has as many axes as `kernel`.
    kernel, sigma_w2, sigma_b2, padding
        As in `convolution_covariance_map`.

    Returns
    -------
    float array, shape (n_images, *grid, n_images, *grid)
        Exact for any number of channels.

    Raises
    ------
    InvalidArgumentError
        If the shape does not fit the kernel or an argument leaves its domain.

    Examples
    --------
    >>> convolution_input_covariance([[[1.0, 0.0, 2.0]]], (1,)).shape
    (1, 3, 1, 3)
    """
    lengths = _check_kernel(kernel)
    weight, bias = check_variances(sigma_w2, sigma_b2)
    pixels = check_reals("images", images)
    if pixels.ndim != len(lengths) + 2 or pixels.size == 0:
        rule = "have shape (n_images, n_channels, *grid), a grid axis for each kernel length"
        raise invalid("images", rule, f"shape {pixels.shape} with kernel {lengths}")
    shape = (pixels.shape[0], *pixels.shape[2:])
    flat = np.moveaxis(pixels, 1, 0).reshape(pixels.shape[1], -1)
    products = (flat.T @ flat / pixels.shape[1]).reshape(shape + shape)
    return weight * _kernel_average(products, lengths, check_choice("padding", padding, PADDINGS)) + bias


def _check_kernel(kernel: Sequence[int]) -> tuple[int, ...]:
    lengths = tuple(int(length) for length in check_widths("kernel", kernel))
    if len(lengths) > 2:
        raise invalid("kernel", "have one or two lengths", lengths)
    return lengths


def _kernel_average(products: Array, lengths: tuple[int, ...], padding: str) -> Array:
    """Average K[a + beta, a' + beta] over the kernel's positions beta."""
    half = products.ndim // 2
    first = half - len(lengths)  # grid axes follow the image axis, if there is one
    total = np.zeros_like(products)
    offsets = [range(-((length - 1) // 2), length // 2 + 1) for length in lengths]
    for beta in itertools.product(*offsets):
        moved = products
        for axis, step in enumerate(beta, start=first):
            for side in (axis, axis + half):
                moved = _shift(moved, step, side, padding)
        total += moved
    return total / math.prod(lengths)


def _shift(array: Array, step: int, axis: int, padding: str) -> Array:
    """Move the entry at a + step to a."""
    if padding == "circular" or step == 0:
        return np.roll(array, -step, axis)
    result = np.zeros_like(array)
    length = array.shape[axis]
    if abs(step) < length:
        source, target = [slice(None)] * array.ndim, [slice(None)] * array.ndim
        source[axis] = slice(max(step, 0), length + min(step, 0))
        target[axis] = slice(max(-step, 0), length - max(step, 0))
        result[tuple(target)] = array[tuple(source)]
    return result
