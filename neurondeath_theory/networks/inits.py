r"""Laws of weights and biases by name: definitions, the options of each, and what does not fit together.

With $\sigma^2 = \sigma_w^2$ / fan_in, $\sigma_w^2 = 2$ where nothing else is said:

- he, gaussian: normal of variance $\sigma^2$; "he" is 2 (He et al. 2015), "gaussian" any.
- uniform: uniform of variance $\sigma^2$, on $\pm\sqrt 3 \sigma$.
- orthogonal: Haar orthogonal matrix (orthonormal rows, or columns if there are more units than inputs) times a
  constant, mean square $\sigma^2$.
- rai: rows (w, b) of `neurondeath_theory.networks.rai`.
- torch-default: weights and biases uniform on $\pm 1/\sqrt{\text{fan-in}}$, what `torch.nn.Linear` does: variance
  1/(3 fan-in), so $\sigma_w^2 = 1/3$ for both.
- truncated-normal: normal, cut at 2 of its own standard deviations, scaled to variance $\sigma^2$.
- laplace: double exponential of variance $\sigma^2$.
- student-t: Student's t with `degrees_of_freedom` $\nu > 2$, scaled by $\sqrt{(\nu - 2)/\nu}$ to $\sigma^2$.
- sparse: 0 with probability s = `zero_share`, independently, otherwise normal of variance $\sigma^2/(1 - s)$: variance
  $\sigma^2$ in all.
- looks-linear: mirrored weights (`neurondeath_theory.trainability.looks_linear`) of Haar orthogonal matrices A with
  orthonormal rows or columns; biases 0.
- looks-linear-gaussian: the same of Gaussian A's of variance 1/(rows of the A before), which keep sizes in the mean.

Entries are independent but for orthogonal and mirrored weights and rai. Biases are normal of variance $\sigma_b^2$
(`bias_law` "normal") or follow the law of a weight of their layer, with its variance $\sigma^2$ ("weights").
Mirrored weights make a network linear at birth where $\phi(u) - \phi(-u) = c u$ with $c \ne 0$, as for (leaky) ReLU:
hidden layers are divided by c.

Sources: He et al. 2015 (arXiv 1502.01852); LeCun et al. 1998, Efficient BackProp (fan-in scaling); Martens 2010, Deep
learning via Hessian-free optimization (sparse weights; a fixed number per unit there); Balduzzi et al. 2017 (arXiv
1702.08591).
"""

import math
from collections.abc import Sequence

from neurondeath_theory.foundation.validation import check_real, did_you_mean, invalid, listed
from neurondeath_theory.networks.law import Law
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear
from neurondeath_theory.networks.rai import rai_constant

__all__ = [
    "BIAS_LAWS",
    "FREE_VARIANCE",
    "HE_VARIANCE",
    "INITS",
    "LARGEST_VARIANCE",
    "MIRRORED",
    "OWN_VARIANCE",
    "PARAMETERS",
    "TORCH_VARIANCE",
    "check_biases",
    "check_init",
    "check_mirror",
    "check_parameter",
    "mirror_gain",
]

HE_VARIANCE = 2.0  # He et al. 2015: keeps E x^2 through a ReLU layer
TORCH_VARIANCE = 1.0 / 3.0
LARGEST_VARIANCE = 1e30  # of weights and biases; the simulations compute in single precision
MOST_DEGREES = 1e6  # of freedom: beyond, the law is normal to all digits of the simulations

INDEPENDENT = ("he", "gaussian", "uniform", "torch-default", "truncated-normal", "laplace", "student-t", "sparse")
MIRRORED = ("looks-linear", "looks-linear-gaussian")
INITS = (
    *("he", "gaussian", "uniform", "orthogonal", "rai", "torch-default", "truncated-normal", "laplace"),
    *("student-t", "sparse", *MIRRORED),
)
OWN_VARIANCE = ("he", "rai", "torch-default", *MIRRORED)
FREE_VARIANCE = tuple(init for init in INITS if init not in OWN_VARIANCE)
BIAS_LAWS = ("normal", "weights")
# parameters of single laws: the law, and the interval of the values, open at both ends
PARAMETERS = {"degrees_of_freedom": ("student-t", 2.0, MOST_DEGREES), "zero_share": ("sparse", 0.0, 1.0)}
EXAMPLES = {"degrees_of_freedom": "pass degrees_of_freedom=5.0", "zero_share": "pass zero_share=0.5"}


def check_init(init: str | Law, weight_variance: float | None, bias_law: str) -> tuple[str, float, str]:
    r"""Validate an init and its options; one law has one description.

    Returns
    -------
    name : str
        The init; of a `Law` its own name.
    weight_variance : float
        $\sigma_w^2$; for rai the variance of its normal entries, times fan_in, for mirrored weights that of hidden
        layers, for a `Law` 0.
    bias_law : str
        One of `BIAS_LAWS`.
    """
    if isinstance(init, Law):
        if init.name in INITS:
            raise invalid("init", "have a name of its own, none of the built-in laws", init.name)
        if weight_variance is not None:
            raise invalid("weight_variance", "be left out of a Law, which sets its own", weight_variance)
        return init.name, 0.0, bias_law
    if not isinstance(init, str) or init not in INITS:
        raise invalid("init", f"be one of {listed(INITS)}, or a Law", init, did_you_mean(init, INITS))
    if init in OWN_VARIANCE and weight_variance is not None:
        raise invalid("weight_variance", f"be left out of the {init} init", weight_variance, 'use init="gaussian"')
    if init == "gaussian" and weight_variance is None:
        raise invalid("weight_variance", "be given for the gaussian init", None, "pass weight_variance=2.0")
    if init == "rai":
        return init, rai_constant() ** 2, bias_law
    if init == "torch-default":
        return init, TORCH_VARIANCE, "weights"
    if weight_variance is None:
        return init, HE_VARIANCE, bias_law
    sigma_w2 = check_real("weight_variance", weight_variance, low=0.0, high=LARGEST_VARIANCE, low_open=True)
    if init == "uniform" and sigma_w2 == TORCH_VARIANCE and bias_law == "weights":
        return "torch-default", sigma_w2, bias_law
    return ("he" if init == "gaussian" and sigma_w2 == HE_VARIANCE else init), sigma_w2, bias_law


def check_parameter(name: str, value: float | None, init: str) -> float | None:
    """Validate a parameter of a single law, required there and left out elsewhere."""
    owner, low, high = PARAMETERS[name]
    if init != owner:
        if value is not None:
            raise invalid(name, f"be left out of the {init} init", value, f"only the {owner} init has it")
        return None
    if value is None:
        raise invalid(name, f"be given for the {owner} init", None, EXAMPLES[name])
    return check_real(name, value, low=low, high=high, low_open=True, high_open=True)


def check_biases(init: str, law: Law | None, bias_variance: float, bias_law: str) -> None:
    """Refuse biases that a law does not have, or has already."""
    if law is not None:
        if bias_variance > 0.0 or bias_law != "normal":
            received = bias_law if bias_variance == 0.0 else bias_variance
            name = "bias_law" if bias_variance == 0.0 else "bias_variance"
            raise invalid(name, "be left out of a Law, whose sampler draws the biases", received)
        return
    if init in MIRRORED and (bias_variance > 0.0 or bias_law != "normal"):
        name, received = ("bias_variance", bias_variance) if bias_variance > 0.0 else ("bias_law", bias_law)
        raise invalid(name, f"be left out of the {init} init: mirrored pairs need biases 0", received)
    if init in ("rai", "torch-default") and bias_variance > 0.0:
        raise invalid("bias_variance", f"be 0 for the {init} init, which draws its own biases", bias_variance)
    if bias_law == "weights":
        if init not in INDEPENDENT:
            rule = f"be normal for the {init} init, whose entries are not independent"
            raise invalid("bias_law", rule, bias_law)
        if bias_variance > 0.0:
            rule = "be 0 with bias_law weights, which gives biases the variance of the weights"
            raise invalid("bias_variance", rule, bias_variance)


def check_mirror(
    init: str, widths: Sequence[int], architecture: str, activation: PiecewiseLinear, sign_flip: str
) -> None:
    """Refuse networks in which mirrored weights do not cancel to a linear map."""
    for layer, width in enumerate(widths):
        if width % 2:
            raise invalid(f"widths[{layer}]", f"be even for the {init} init, a unit and its mirror image", width)
    if architecture != "plain":
        raise invalid("architecture", f"be plain for the {init} init, which is a chain of layers", architecture)
    if mirror_gain(activation) is None:
        rule = f"have phi(u) - phi(-u) = c u with c above or below 0 for the {init} init, as relu and leaky-relu do"
        raise invalid("activation", rule, str(activation))
    if sign_flip != "none":
        rule = f"be none for the {init} init: its points live, and a flip of one unit breaks its pair"
        raise invalid("sign_flip", rule, sign_flip)


def mirror_gain(activation: PiecewiseLinear) -> float | None:
    """Return c with phi(u) - phi(-u) = c u for all u; None if there is none, or it is 0.

    Examples
    --------
    >>> from neurondeath_theory.networks.activations import absolute_value, leaky_relu, shifted_relu
    >>> mirror_gain(leaky_relu(0.5)), mirror_gain(absolute_value()), mirror_gain(shifted_relu(1.0))
    (1.5, None, None)
    """
    gain = activation.slopes[0] + activation.slopes[-1]
    if gain == 0.0:
        return None
    # the difference is odd and linear between the kinks and their mirror images
    for kink in activation.kinks:
        difference = float(activation(kink)) - float(activation(-kink))
        if not math.isclose(difference, gain * kink, rel_tol=1e-12, abs_tol=0.0):
            return None
    return gain
