"""Follow the units of weight layers, as they are after the activation behind their layer, in one run of a model."""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from torch import Tensor, nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.forward_tracing import ForwardTracer
from neurondeath_torch.networks.pass_listening import Listener
from neurondeath_torch.networks.tensor_flow import Flow, split_units
from neurondeath_torch.networks.watched_modules import Watch, watched_modules
from neurondeath_torch.networks.weight_layers import is_weight_layer, unit_count

__all__ = ["LayerUnits", "chosen_layers", "follow_units"]

Found = TypeVar("Found")


class LayerUnits(Listener):
    """Base class for listeners to the units of weight layers; smooth activations count, too.

    Parameters
    ----------
    model : nn.Module
        The model.
    """

    outputs_only = True

    def __init__(self, model: nn.Module) -> None:
        self._widths = {name: unit_count(module) for name, module in model.named_modules() if is_weight_layer(module)}

    def layer_units(self, h: Tensor, flow: Flow | None) -> Iterator[tuple[str, Tensor]]:
        """Yield the layers whose units are in an activation, each with it as (samples, tokens, units, positions).

        A tensor whose units were regrouped holds those of no layer.
        """
        for layer in flow.unit_layers if flow is not None else ():
            units = split_units(h, flow)
            if self._widths.get(layer) == units.shape[2]:
                yield layer, units

    def activated_smoothly(self, h: Tensor, flow: Flow | None) -> None:
        """Treat the output of a smooth activation as any other."""
        self.activated("", h, flow)


def follow_units(
    model: nn.Module, listener: LayerUnits, run: Callable[[], Found], watch: Watch = ()
) -> tuple[list[str], Found]:
    """Call a function that runs the model, and let a listener follow it.

    Parameters
    ----------
    model : nn.Module
        The model.
    listener : LayerUnits
        The listener.
    run : callable
        The function.
    watch : sequence of str or type
        Names or classes of further modules whose outputs are activations.

    Returns
    -------
    list of str
        The weight layers that were called, in the order of execution.
    object
        What the function returned.
    """
    tracer = ForwardTracer(model, [listener], watched_modules(model, watch))
    tracer.start()
    try:
        found = run()
    finally:
        tracer.stop()
    return list(tracer.weights), found


def chosen_layers(model: nn.Module, seen: Iterable[str], layers: Iterable[str] | None) -> list[str]:
    """Return the layers that are wanted among those whose units were seen: all, or the named ones.

    Raises
    ------
    InvalidArgumentError
        If a named layer was not seen, or there is none.
    """
    names = list(seen)
    wanted = names if layers is None else list(layers)
    for name in wanted:
        if name not in names:
            remedy = f"choose among {', '.join(names)}" if names else "no weight layer is followed by an activation"
            raise invalid("layers", "name weight layers that an activation follows", name, remedy)
    if not wanted:
        raise invalid("model", "have a weight layer followed by an activation", type(model).__name__)
    return wanted
