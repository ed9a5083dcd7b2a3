"""The leaky ReLU whose slope is made for a depth, so that points do not collapse to one direction."""

from torch import nn

from neurondeath_theory.trainability.tailored_slope import tailored_slope

__all__ = ["tailored_leaky_relu"]


def tailored_leaky_relu(depth: int, target: float = 0.9) -> nn.LeakyReLU:
    """Return a leaky ReLU with which a correlation of 0 grows to `target` in `depth` layers of a wide network.

    Parameters
    ----------
    depth : int
        Number of activations of the network, from 1 to a million.
    target : float
        Correlation after the last layer, in (0, 1) and at most what ReLUs reach.

    Returns
    -------
    torch.nn.LeakyReLU
        The module; without parameters, so one may be used at every layer.

    Raises
    ------
    InvalidArgumentError
        If the target cannot be reached: a network this shallow needs no slope.

    Notes
    -----
    The statement is that of infinite width and weights of variance 2 / (1 + slope^2) over fan-in, without biases: draw
    them with `he_(model, to_theory(module))`, or with distribution="orthogonal", which suits narrow networks better.
    Source: `neurondeath_theory.trainability.tailored_slope`; zhang2022 for the target 0.9.

    Examples
    --------
    >>> [round(tailored_leaky_relu(depth).negative_slope, 3) for depth in (20, 60, 100, 150)]
    [0.181, 0.471, 0.57, 0.638]
    """
    return nn.LeakyReLU(tailored_slope(depth, target).negative_slope)
