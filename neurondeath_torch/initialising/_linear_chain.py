"""Find the chain of layers and activations that looks-linear weights can turn into a linear map."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.networks.activations import relu
from neurondeath_torch.initialising._forward_graph import Node, merging
from neurondeath_torch.initialising._mirror_gain import mirror_gain
from neurondeath_torch.networks.weight_layers import WeightLayer

__all__ = ["Link", "linear_chain"]

AVERAGES = ("avg_pool1d", "avg_pool2d", "avg_pool3d")
FOLLOW_IDENTITY = (
    "use ReLU, leaky ReLU, PReLU with one slope, GELU, SiLU, Softplus or Hardswish, for which phi(u) - phi(-u) = c u"
)


@dataclass(kw_only=True)
class Link:
    """One layer of the chain.

    Attributes
    ----------
    layer : WeightLayer
        The layer.
    positions : int
        Inputs per unit of the layer before it, after flattening; otherwise 1.
    gain : float
        The c of the activation before it; 1 without one.
    paired : bool
        Whether an activation reads its units, so that they come in pairs.
    rectifier : bool
        Whether that activation is ReLU.
    """

    layer: WeightLayer
    positions: int = 1
    gain: float = 1.0
    paired: bool = False
    rectifier: bool = False


def linear_chain(nodes: Sequence[Node]) -> list[Link]:
    """Return the layers in order, with what lies between them.

    Raises
    ------
    InvalidArgumentError
        If the pass is no chain, or something in it breaks the pairs.
    """
    found = merging(nodes)
    if found:
        raise _refused("be a chain of layers without residual sums or branches", found)
    layers = [node for node in nodes if node.kind == "layer"]
    if len(layers) < 2:
        raise _refused("have a hidden layer", layers[0].name, "looks-linear weights are pairs of hidden units")
    links: list[Link] = []
    for node in layers:
        assert node.layer is not None
        if node.layer.obstacle or any(link.layer.module is node.module for link in links):
            rule = "have layers that are called once, with weights of their own"
            raise _refused(rule, f"{node.name}: {node.layer.obstacle or 'called more than once'}")
        link = Link(layer=node.layer)
        if links:
            _connect(layers[len(links) - 1], node, links[-1], link)
        links.append(link)
    return links


def _connect(before: Node, node: Node, previous: Link, link: Link) -> None:
    """Follow a layer's input back to the layer before it, and record what lies between."""
    step = node.parents[0] if node.parents else None
    while step is not None and step is not before:
        if len(step.readers) != 1 or not step.parents:
            break
        if step.kind == "activation":
            gain = mirror_gain(step)
            if gain is None:
                shown = f"{step.name}: {step.form or type(step.module).__name__ if step.module else step.name}"
                raise _refused("have activations with phi(u) - phi(-u) = c u, c not 0", shown, FOLLOW_IDENTITY)
            if previous.paired:
                raise _refused("have at most one activation between two layers", step.name)
            link.gain, previous.paired = gain, True
            previous.rectifier = step.form == relu()
        elif step.kind == "norm":
            rule = "have no normalisation, which scales the two units of a pair by statistics of their own"
            raise _refused(rule, step.name, "remove it; looks-linear weights keep sizes without it")
        elif not _is_average(step, before):
            remedy = "use average pooling" if "max" in step.name else "initialise its chains of layers one by one"
            raise _refused("have only views and average pooling between its layers", step.name, remedy)
        step = step.parents[0]
    if step is not before or len(before.readers) != 1:
        raise _refused("call its layers in one chain, each on the result of the one before", node.name)
    link.positions = _positions(before, node)


def _is_average(step: Node, before: Node) -> bool:
    """Check whether an operation averages over positions, each unit by itself."""
    if any(name in step.name for name in AVERAGES):
        return True
    if step.name != "mean" or not step.arguments or not isinstance(step.arguments[0], (list, tuple)):
        return False
    axes = {axis % len(before.shape) for axis in step.arguments[0]}
    units = len(before.shape) - 1 if isinstance(before.module, nn.Linear) else 1
    return not axes & {0, units}


def _positions(before: Node, node: Node) -> int:
    """Count a layer's inputs per unit of the layer before it; refuse an order that is not unit by unit."""
    assert node.layer is not None
    assert before.layer is not None
    n_units = before.layer.n_units
    convolution, linear = not isinstance(before.module, nn.Linear), isinstance(node.module, nn.Linear)
    if convolution and linear:
        fits = len(node.shape) == 2 and node.shape[0] == before.shape[0] and node.layer.fan_in % n_units == 0
        positions = node.layer.fan_in // n_units
    else:
        inputs = node.layer.fan_in if linear else getattr(node.module, "in_channels", 0)
        fits, positions = convolution != linear and inputs == n_units, 1
        if linear:
            fits = fits and node.shape[0] == before.shape[0]
    if not fits:
        raise _refused("have layers that read the units of the layer before them in order", node.name)
    return positions


def _refused(rule: str, received: str, remedy: str = "") -> Exception:
    return invalid("model", rule, received, remedy)
