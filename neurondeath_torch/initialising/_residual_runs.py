"""Find the equal-width runs of a forward pass: layers that can become branches of a residual stream.

A layer becomes a branch if it reads phi(h) of the layer before it, with nothing but views and dropout between them, and
h and its own output have the same shape and kind. The last layer is a branch only if its output goes to phi as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch import nn

from neurondeath_theory.foundation.validation import invalid
from neurondeath_theory.networks import activations as theory
from neurondeath_torch.initialising._forward_graph import Node, merging
from neurondeath_torch.initialising._model_activations import same_function

__all__ = ["Run", "residual_runs"]


@dataclass
class Run:
    """A layer that begins a stream, and its branches.

    Attributes
    ----------
    start : Node
        The layer whose output begins the stream.
    branches : list of Node
        The layers that follow it, at least one.
    """

    start: Node
    branches: list[Node] = field(default_factory=list)


def residual_runs(
    nodes: Sequence[Node], wanted: theory.PiecewiseLinear | None
) -> tuple[list[Run], theory.PiecewiseLinear, dict[str, str]]:
    """Return the runs, their activation, and why each other layer is in none.

    Parameters
    ----------
    nodes : sequence of Node
        The forward pass.
    wanted : PiecewiseLinear or None
        The activation of a design that the caller chose.

    Raises
    ------
    InvalidArgumentError
        If the pass has sums or normalisation, a layer is called twice, there is no run, or runs differ in activation.
    """
    _check_chain(nodes)
    layers = [node for node in nodes if node.kind == "layer"]
    runs: list[Run] = []
    reasons: dict[str, str] = {}
    forms: dict[str, theory.PiecewiseLinear] = {}
    for node in layers:
        before, activation, reason = _before(node)
        if reason or before is None or activation is None or activation.form is None:
            reasons[node.name] = reason
            continue
        forms[node.name] = activation.form
        if runs and (runs[-1].branches or [runs[-1].start])[-1] is before:
            runs[-1].branches.append(node)
        else:
            runs.append(Run(before, [node]))
    if not runs:
        why = "; ".join(f"{name}: {reason}" for name, reason in reasons.items())
        rule = "have a layer as wide as the one before it, with an activation between them"
        raise invalid("model", rule, [node.name for node in layers], reason=why)
    phi = wanted or next(iter(forms.values()))
    wrong = [f"{name} reads {form}" for name, form in forms.items() if not same_function(form, phi)]
    if wrong:
        rule = f"have the design's activation {phi}" if wanted else f"have one activation in all its runs, as {phi}"
        raise invalid("model", rule, ", ".join(wrong))
    for run in runs:
        reasons.pop(run.start.name, None)
    return runs, phi, reasons


def _check_chain(nodes: Sequence[Node]) -> None:
    """Refuse sums, normalisation, and layers that are called twice or share their weights."""
    found = merging(nodes)
    if found:
        rule = "call its layers in one chain, without residual sums or branches of its own"
        raise invalid("model", rule, found)
    norms = [node.name for node in nodes if node.kind == "norm"]
    if norms:
        rule = "have no normalisation layers, which set the variance that the stream keeps"
        raise invalid("model", rule, norms, "remove them")
    seen: set[int] = set()
    for node in nodes:
        if node.layer is not None:
            obstacle = "called more than once" if id(node.module) in seen else node.layer.obstacle
            if obstacle:
                rule = "have layers that are called once, with weights of their own"
                raise invalid("model", rule, f"{node.name}: {obstacle}")
            seen.add(id(node.module))


def _before(node: Node) -> tuple[Node | None, Node | None, str]:
    """Return the layer before a possible branch and the activation between them, or why it is no branch."""
    activation = node.parents[0] if node.parents else None
    if activation is None or activation.kind == "input":
        return None, None, "it reads the model's input"
    if activation.kind != "activation":
        return None, None, f"it reads {activation.name}, not an activation"
    if activation.form is None:
        kind = type(activation.module).__name__ if activation.module is not None else activation.name
        return None, None, f"its activation {kind} is not piecewise linear"
    before = activation.parents[0] if activation.parents else None
    if before is None or before.kind != "layer":
        return None, None, f"its activation reads {before.name if before else 'nothing'}, not a layer"
    same_kind = type(before.module) is type(node.module) or (
        isinstance(before.module, nn.Linear) and isinstance(node.module, nn.Linear)
    )
    if not same_kind or before.shape != node.shape or not _equal_sizes(node):
        return None, None, "its output has another shape than that of the layer before it"
    if not _layers_follow(node) and not any(_is_same(reader, activation.form) for reader in node.readers):
        return None, None, "it is the output"
    for read in (before, activation):
        if len(read.readers) > 1:
            found = f"{read.name} by {' and '.join(reader.name for reader in read.readers)}"
            raise invalid("model", "have no result within a run that is read more than once", found)
    return before, activation, ""


def _equal_sizes(node: Node) -> bool:
    """Check whether a layer has as many inputs as outputs."""
    module = node.module
    if isinstance(module, nn.Linear):
        return module.in_features == module.out_features
    stride = getattr(module, "stride", ())
    return bool(getattr(module, "in_channels", 0) == getattr(module, "out_channels", -1) and set(stride) == {1})


def _is_same(reader: Node, form: theory.PiecewiseLinear) -> bool:
    return reader.kind == "activation" and reader.form is not None and same_function(reader.form, form)


def _layers_follow(node: Node) -> bool:
    stack = list(node.readers)
    while stack:
        reader = stack.pop()
        if reader.kind == "layer":
            return True
        stack.extend(reader.readers)
    return False
