"""Laws that a forecast tries in place of a plain network, with the calls that make them."""

from typing import Any, NamedTuple

from neurondeath_theory.foundation.errors import InvalidArgumentError, NeuronDeathError
from neurondeath_theory.networks.network import Network
from neurondeath_theory.trainability.tailored_slope import tailored_slope

__all__ = ["LawOfRemedy", "remedy_laws"]

DEPTHS = (1.0, 4.0)  # effective depths of critical residual streams


class LawOfRemedy(NamedTuple):
    """A remedy, the call that applies it, its law (or why there is none), and whether inputs are embedded first."""

    name: str
    call: str
    law: Network | None
    refused: str = ""
    embedded: bool = False


def remedy_laws(network: Network) -> list[LawOfRemedy]:
    """List the remedies for a network's shape, without the one that it is.

    Examples
    --------
    >>> [remedy.name for remedy in remedy_laws(Network(width=8, depth=3))][:2]
    ['looks-linear', 'layer flip']
    """
    base: dict[str, Any] = {"widths": network.widths, "input_dim": network.input_dim}
    listed = [
        _law("looks-linear", base, {"init": "looks-linear"}),
        _law("layer flip", base, {"sign_flip": "layer"}),
        _law("neuron flip", base, {"sign_flip": "neuron"}),
        _law("rai", base, {"init": "rai"}),
        _law("batch norm", base, {"architecture": "batch_norm"}),
        *(_stream(network, depth) for depth in DEPTHS),
        *_tailored(network, base),
    ]
    return [one for one in listed if one.law is None or one.embedded or one.law != network]


def _law(name: str, base: dict[str, Any], options: dict[str, Any]) -> LawOfRemedy:
    call = _call(base, options)
    try:
        return LawOfRemedy(name, call, Network(**base, **options))
    except NeuronDeathError as error:
        return LawOfRemedy(name, call, None, str(error))


def _call(base: dict[str, Any], options: dict[str, Any]) -> str:
    widths = base["widths"]
    shape = f"width={widths[0]}, depth={len(widths)}" if len(set(widths)) == 1 else f"{list(widths)}"
    shape += f", input_dim={base['input_dim']}" if base["input_dim"] != widths[0] else ""
    return f"Network({', '.join([shape, *(f'{name}={_shown(value)}' for name, value in options.items())])})"


def _shown(value: Any) -> str:
    return f'"{value}"' if isinstance(value, str) else f"{value:.4g}" if isinstance(value, float) else repr(value)


def _stream(network: Network, depth: float) -> LawOfRemedy:
    """Return a critical residual stream; where the input dimension is not the width, embedded, in PyTorch."""
    name, width, layers = f"critical residual, D = {depth:g}", network.widths[0], network.depth
    options: dict[str, Any] = {"architecture": "residual", "effective_depth": depth, "input_mean_square": 1.0}
    if network.input_dim == width or len(set(network.widths)) > 1 or layers == 1:
        return _law(name, {"widths": network.widths, "input_dim": network.input_dim}, options)
    call = f"residual_(model, {depth:.1f})"
    try:  # the first layer embeds the inputs, the others are branches
        return LawOfRemedy(name, call, Network(width=width, depth=layers - 1, **options), embedded=True)
    except NeuronDeathError as error:
        return LawOfRemedy(name, call, None, str(error))


def _tailored(network: Network, base: dict[str, Any]) -> list[LawOfRemedy]:
    try:
        slope = tailored_slope(network.depth).negative_slope
    except InvalidArgumentError:  # a network this shallow needs none
        return []
    options: dict[str, Any] = {"init": "gaussian", "weight_variance": 2.0 / (1.0 + slope**2)}
    call = _call(base, {"activation": f"leaky-relu({slope:.4g})", **options})
    return [LawOfRemedy("tailored slope", call, Network(**base, activation=f"leaky-relu({slope!r})", **options))]
