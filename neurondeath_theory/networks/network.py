r"""The description of a random rectifier network, shared by theory, simulation and figures.

A network is a law, not a sample: widths $n_1..n_k$, input dimension $n_0$, how layers are joined, the activation
$\phi$ and the distribution of $(W_l, b_l)$. With $x_0$ the input and $z_l = W_l x_{l-1} + b_l$:

- plain: $x_l = \phi(z_l)$.
- residual: $x_l = x_{l-1} + \phi(z_l)$; every width equals $n_0$, no embedding comes first.
- residual with an effective depth D, the critical residual stream (`critical_residual`): $x_l = \phi(z_l)$ with
  $z_l = \sqrt{1 - a^2}\, z_{l-1} + a\,(W_l \phi(z_{l-1}) + b_l)$, $a^2 = D / k$, from $z_0$ the input. Its theory wants
  weights and biases at the edge of chaos, and inputs of the mean square q* (`input_mean_square`). As in other residual
  networks, alive at a point means that some layer so far was active there; with D = k, where nothing bypasses the
  layers, every layer must be.
- skip: blocks of `block_depth` plain layers, whose output is added to the block's input; the last width of each block
  is $n_0$. Blocks of one layer are the residual network.
- dense: $x_l = (x_{l-1}, \phi(z_l))$, so layer l reads $n_0 + n_1 + .. + n_{l-1}$ features.
- batch_norm: $x_l = \phi(\hat z_l)$, each unit's pre-activations shifted and scaled to mean 0 and variance 1 over the
  input set (shift 0, scale 1, no regularising constant; 0 for a unit that is constant on the set).

The laws of weights and biases, `init` and `bias_law`, are those of `neurondeath_theory.networks.inits`, or a `Law` of
the user's own.
"""

from dataclasses import dataclass, field
from itertools import accumulate, groupby
from typing import Any

from neurondeath_theory.foundation.validation import (
    check_choice,
    check_count,
    check_real,
    invalid,
)
from neurondeath_theory.foundation.widths import Widths, layer_widths
from neurondeath_theory.networks.activations import as_activation, relu
from neurondeath_theory.networks.inits import (
    BIAS_LAWS,
    HE_VARIANCE,
    INITS,
    LARGEST_VARIANCE,
    MIRRORED,
    OWN_VARIANCE,
    check_biases,
    check_init,
    check_mirror,
    check_parameter,
)
from neurondeath_theory.networks.law import Law
from neurondeath_theory.networks.piecewise_linear import PiecewiseLinear

__all__ = ["ARCHITECTURES", "BIAS_LAWS", "HE_VARIANCE", "INITS", "SIGN_FLIPS", "Network"]

ARCHITECTURES = ("plain", "residual", "skip", "dense", "batch_norm")
SIGN_FLIPS = ("none", "layer", "neuron")


@dataclass(frozen=True, init=False)
class Network:
    r"""A random rectifier network.

    Parameters
    ----------
    widths : sequence of int, shape (k,), optional
        Widths of the hidden layers, each at least 1.
    width, depth : int, optional
        Width of every hidden layer and number of layers, in place of `widths`.
    input_dim : int, optional
        Input dimension; the first width if not given.
    architecture : {"plain", "residual", "skip", "dense", "batch_norm"}
        How layers are joined; see the module docstring.
    activation : PiecewiseLinear or str
        The activation or its name, as "relu" or "shifted-relu(tau=1)"; ReLU by default.
    init : {"he", "gaussian", "uniform", "orthogonal", "rai", "torch-default", "truncated-normal", "laplace", \
"student-t", "sparse", "looks-linear", "looks-linear-gaussian"} or Law
        Law of the weights, of variance 2 / fan_in or `weight_variance` / fan_in (`neurondeath_theory.networks.inits`).
    weight_variance : float, optional
        $\sigma_w^2$, above 0: must be given for "gaussian", may be for "uniform", "orthogonal", "truncated-normal",
        "laplace", "student-t" and "sparse" (2 by default).
    bias_variance : float
        $\sigma_b^2$, the variance of the Gaussian biases, at least 0; 0 means no biases, unless a law draws its own.
    bias_law : {"normal", "weights"}
        Whether biases are Gaussian of variance `bias_variance`, or drawn from the law of a weight of their layer.
    degrees_of_freedom : float, optional
        Of "student-t", above 2; must be given.
    zero_share : float, optional
        Of "sparse", the probability that a weight is 0, in (0, 1); must be given.
    sign_flip : {"none", "layer", "neuron"}
        Correction of signs at initialisation by the input set, for plain ReLU networks (`sign_flip_guarantee`).
    block_depth : int, optional
        Layers per block of the skip architecture, at least 1; the number of layers is a multiple of it.
    effective_depth : float, optional
        D of the residual architecture, in (0, k]: with it the critical residual stream.
    input_mean_square : float, optional
        With an effective depth, the mean square to which every input is scaled first, above 0 (zeros stay zero); by
        default inputs are read as they are.

    Raises
    ------
    InvalidArgumentError
        If an argument leaves its domain or the arguments do not fit together.

    Examples
    --------
    >>> network = Network([8, 8, 16], input_dim=64)
    >>> print(network)
    plain relu network 64 -> 8x2 -> 16, he init
    >>> print(Network(width=3, depth=20, activation="leaky-relu(0.1)"))
    plain leaky_relu(0.1) network 3 -> 3x20, he init
    >>> print(Network([4] * 6, init="student-t", degrees_of_freedom=3, bias_law="weights"))
    plain relu network 4 -> 4x6, student-t init (3 degrees of freedom), biases like weights
    >>> print(Network([4] * 6, architecture="skip", block_depth=3, init="orthogonal"))
    skip relu network 4 -> 4x6, blocks of 3, orthogonal init
    >>> print(Network(width=8, depth=50, architecture="residual", effective_depth=1.0, input_mean_square=1.0))
    residual relu network 8 -> 8x50, effective depth 1, inputs of mean square 1, he init
    """

    widths: tuple[int, ...]
    input_dim: int
    architecture: str
    activation: PiecewiseLinear
    init: str  # of a Law its name
    weight_variance: float  # of a Law 0: its variance is its own
    bias_variance: float
    bias_law: str
    degrees_of_freedom: float | None
    zero_share: float | None
    law: Law | None
    sign_flip: str
    block_depth: int
    effective_depth: float | None
    input_mean_square: float | None
    fan_ins: tuple[int, ...] = field(repr=False, compare=False)

    def __init__(
        self,
        widths: Widths | None = None,
        *,
        width: int | None = None,
        depth: int | None = None,
        input_dim: int | None = None,
        architecture: str = "plain",
        activation: PiecewiseLinear | str | None = None,
        init: str | Law = "he",
        weight_variance: float | None = None,
        bias_variance: float = 0.0,
        bias_law: str = "normal",
        degrees_of_freedom: float | None = None,
        zero_share: float | None = None,
        sign_flip: str = "none",
        block_depth: int | None = None,
        effective_depth: float | None = None,
        input_mean_square: float | None = None,
    ) -> None:
        layers = tuple(layer_widths(widths, width, depth).tolist())
        dimension = layers[0] if input_dim is None else check_count("input_dim", input_dim)
        architecture = check_choice("architecture", architecture, ARCHITECTURES)
        phi = relu() if activation is None else as_activation("activation", activation)
        bias_law = check_choice("bias_law", bias_law, BIAS_LAWS)
        name, sigma_w2, bias_law = check_init(init, weight_variance, bias_law)
        values = {
            "widths": layers,
            "input_dim": dimension,
            "architecture": architecture,
            "activation": phi,
            "init": name,
            "weight_variance": sigma_w2,
            "bias_variance": check_real("bias_variance", bias_variance, low=0.0, high=LARGEST_VARIANCE),
            "bias_law": bias_law,
            "degrees_of_freedom": check_parameter("degrees_of_freedom", degrees_of_freedom, name),
            "zero_share": check_parameter("zero_share", zero_share, name),
            "law": init if isinstance(init, Law) else None,
            "sign_flip": check_choice("sign_flip", sign_flip, SIGN_FLIPS),
            "block_depth": _check_blocks(architecture, layers, block_depth),
            "effective_depth": _check_effective_depth(architecture, len(layers), effective_depth),
            "input_mean_square": _check_input_mean_square(effective_depth, input_mean_square),
            "fan_ins": (dimension, *layers[:-1]),
        }
        if architecture == "skip" and values["block_depth"] == 1:
            values["architecture"] = "residual"  # one law, one description
        if architecture == "dense":
            values["fan_ins"] = tuple(accumulate(layers[:-1], initial=dimension))
        for name, value in values.items():
            object.__setattr__(self, name, value)
        self._check_together()

    def _check_together(self) -> None:
        """Raise an error for combinations without a meaning, with the reason."""
        if self.architecture in ("residual", "skip"):
            for layer in range(self.block_depth - 1, self.depth, self.block_depth):
                if self.widths[layer] != self.input_dim:
                    rule = f"be {self.input_dim}, the input dimension, since it is added to the stream"
                    remedy = "pass input_dim equal to the width; a linear embedding in front is not part of the law"
                    raise invalid(f"widths[{layer}]", rule, self.widths[layer], remedy)
        check_biases(self.init, self.law, self.bias_variance, self.bias_law)
        if self.init in MIRRORED:
            check_mirror(self.init, self.widths, self.architecture, self.activation, self.sign_flip)
        if self.architecture == "batch_norm":
            if self.bias_variance > 0.0:
                rule = "be 0 with batch norm, whose statistics cancel every bias"
                raise invalid("bias_variance", rule, self.bias_variance)
            if self.bias_law != "normal":
                raise invalid(
                    "bias_law", "be normal with batch norm, whose statistics cancel every bias", self.bias_law
                )
            if self.law is not None and self.law.biases:
                raise invalid("init", "draw no biases with batch norm, whose statistics cancel them", self.init)
            if self.law is None and self.weight_variance != HE_VARIANCE:
                rule = "be a law at its own variance 2 and without biases with batch norm, such as he or uniform"
                remedy = "its statistics cancel every scale and bias"
                raise invalid("init", rule, f"{self.init} of variance {self.weight_variance:g}", remedy)
        if self.sign_flip != "none":
            if self.architecture != "plain":
                rule = (
                    f"be none for the {self.architecture} architecture: flips are defined, and proved, for plain nets"
                )
                raise invalid("sign_flip", rule, self.sign_flip)
            if self.activation != relu():
                rule = "be none unless the activation is relu: only there one of two signs is active at every point"
                raise invalid("sign_flip", rule, self.sign_flip)

    @property
    def depth(self) -> int:
        """Number of hidden layers k."""
        return len(self.widths)

    @property
    def has_bias(self) -> bool:
        """Whether the layers have random biases."""
        own = self.init == "rai" if self.law is None else self.law.biases
        return own or self.bias_variance > 0.0 or self.bias_law != "normal"

    @property
    def has_own_variance(self) -> bool:
        """Whether `weight_variance` is that of the init by its definition."""
        return self.law is not None or self.init in OWN_VARIANCE or self.weight_variance == HE_VARIANCE

    def description(self) -> dict[str, Any]:
        """Describe the law in plain data; default values are left out, so that new options change no description.

        Widths are run-length encoded as [width, layers] pairs.
        """
        plain: dict[str, Any] = {
            "widths": [[width, len(list(run))] for width, run in groupby(self.widths)],
            "input_dim": self.input_dim,
        }
        if self.architecture != "plain":
            plain["architecture"] = self.architecture
        if self.block_depth != 1:
            plain["block_depth"] = self.block_depth
        if self.effective_depth is not None:
            plain["effective_depth"] = self.effective_depth
        if self.input_mean_square is not None:
            plain["input_mean_square"] = self.input_mean_square
        if self.activation != relu():
            plain["activation"] = _plain_numbers(self.activation)
        if self.init != "he":
            plain["init"] = self.init
            if not self.has_own_variance:
                plain["weight_variance"] = self.weight_variance
        if self.law is not None:
            plain["law"] = {"digest": self.law.digest}
            plain["law"] |= {name: True for name in ("biases", "symmetric") if getattr(self.law, name)}
        if self.bias_variance > 0.0:
            plain["bias_variance"] = self.bias_variance
        if self.bias_law != "normal" and self.init != "torch-default":
            plain["bias_law"] = self.bias_law
        for name in ("degrees_of_freedom", "zero_share"):
            if getattr(self, name) is not None:
                plain[name] = getattr(self, name)
        if self.sign_flip != "none":
            plain["sign_flip"] = self.sign_flip
        return plain

    @classmethod
    def from_description(cls, plain: dict[str, Any]) -> "Network":
        """Rebuild a network from its description; a `Law` comes back without its sampler."""
        rest = {name: value for name, value in plain.items() if name not in ("widths", "law")}
        if "law" in plain:
            rest["init"] = Law.recorded(rest["init"], **plain["law"])
        if "activation" in rest:
            rest["activation"] = PiecewiseLinear(**rest["activation"])
        return cls([width for width, count in plain["widths"] for _ in range(count)], **rest)

    def __str__(self) -> str:
        runs = [f"{width}x{count}" if count > 1 else f"{width}" for width, count in self.description()["widths"]]
        blocks = f", blocks of {self.block_depth}" if self.block_depth > 1 else ""
        if self.effective_depth is not None:
            blocks = f", effective depth {self.effective_depth:g}"
        if self.input_mean_square is not None:
            blocks += f", inputs of mean square {self.input_mean_square:g}"
        numbers = [] if self.has_own_variance else [f"sw2 {self.weight_variance:g}"]
        numbers += [f"{self.degrees_of_freedom:g} degrees of freedom"] if self.degrees_of_freedom is not None else []
        numbers += [f"{self.zero_share:g} zeros"] if self.zero_share is not None else []
        law = f"{self.init} {'init' if self.law is None else 'law'}" + (f" ({', '.join(numbers)})" if numbers else "")
        biases = f", bias variance {self.bias_variance:g}" if self.bias_variance > 0.0 else ""
        if self.bias_law != "normal" and self.init != "torch-default":
            biases = ", biases like weights"
        flip = "" if self.sign_flip == "none" else f", {self.sign_flip} sign flip"
        shape = f"{self.input_dim} -> {' -> '.join(runs)}"
        return f"{self.architecture} {self.activation} network {shape}{blocks}, {law}{biases}{flip}"


def _check_blocks(architecture: str, widths: tuple[int, ...], block_depth: int | None) -> int:
    """Return the number of layers per block, 1 without blocks."""
    if architecture != "skip":
        if block_depth is not None and check_count("block_depth", block_depth) != 1:
            rule = f"be left out of the {architecture} architecture"
            raise invalid("block_depth", rule, block_depth, "only the skip architecture has it")
        return 1
    if block_depth is None:
        raise invalid("block_depth", "be given for the skip architecture", None, "pass block_depth=2")
    layers = check_count("block_depth", block_depth)
    if len(widths) % layers:
        raise invalid("block_depth", f"divide the number of layers, {len(widths)}", layers)
    return layers


def _check_effective_depth(architecture: str, depth: int, effective_depth: float | None) -> float | None:
    """Accept an effective depth of at most the depth, for the residual architecture only."""
    if effective_depth is None:
        return None
    if architecture != "residual":
        rule = f"be left out of the {architecture} architecture"
        raise invalid("effective_depth", rule, effective_depth, "only the residual architecture has it")
    reach = check_real("effective_depth", effective_depth, low=0.0, low_open=True)
    if reach > depth:
        remedy = "at that depth nothing bypasses the layers"
        raise invalid("effective_depth", f"be at most the number of layers, {depth}", reach, remedy)
    return reach


def _check_input_mean_square(effective_depth: float | None, mean_square: float | None) -> float | None:
    """Accept a mean square of the inputs, for networks with an effective depth only."""
    if mean_square is None:
        return None
    if effective_depth is None:
        remedy = 'architecture="residual" with an effective_depth has it; scale the inputs yourself'
        raise invalid("input_mean_square", "be left out without an effective depth", mean_square, remedy)
    return check_real("input_mean_square", mean_square, low=0.0, high=LARGEST_VARIANCE, low_open=True)


def _plain_numbers(phi: PiecewiseLinear) -> dict[str, Any]:
    """Return the numbers of an activation with 0.0 for -0.0, so that equal activations have equal hashes."""
    numbers = phi.description()
    return {
        "kinks": [kink + 0.0 for kink in numbers["kinks"]],
        "slopes": [slope + 0.0 for slope in numbers["slopes"]],
        "value_at_zero": numbers["value_at_zero"] + 0.0,
    }
