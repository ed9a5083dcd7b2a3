r"""Looks-linear initialisation: mirrored weights that make a rectifier network a linear map at birth.

A chain of Linear and convolutional layers with activations between them gets weights [A; -A] in its first layer,
[[A, -A], [-A, A]] / c in the following ones and [A, -A] / c in the last, biases 0, where

    phi(u) - phi(-u) = c u    for all u:

c = 1 for ReLU, GELU, SiLU, Softplus and Hardswish, 1 + slope for leaky ReLU and PReLU. Of the sparse activations none
keeps the identity: shifted ReLU (unless tau = 0), soft threshold and all clipped kinds (ReLU6, Hardtanh) are linear in
a part of the line only. Pre-activations then come in pairs u, -u, and the output is the product of the A's. Views,
flattening, dropout in evaluation mode and average pooling keep the pairs; maximum pooling, normalisation and sums of
branches do not.

What is kept is stated by `neurondeath_theory.trainability.looks_linear`; how the A's are drawn, and what becomes of
groups and odd widths, in `_mirrored_layers`. Sources: shang2016 (arXiv 1603.05201); balduzzi2017 (arXiv
1702.08591).
"""

from collections.abc import Sequence

import torch
from torch import nn

from neurondeath_theory.foundation.validation import check_choice, check_flag, invalid
from neurondeath_theory.trainability.looks_linear import looks_linear
from neurondeath_torch.initialising._linear_chain import Link, linear_chain
from neurondeath_torch.initialising._mirrored_layers import Pairs, mirrored, pairs_of
from neurondeath_torch.initialising._trial_run import trial_run
from neurondeath_torch.initialising._weight_draws import check_generator
from neurondeath_torch.initialising.initialisation import Initialisation
from neurondeath_torch.networks.input_data import InputData, joined_inputs
from neurondeath_torch.networks.model_calls import Call, called
from neurondeath_torch.networks.model_checks import plain_model
from neurondeath_torch.networks.residual_stream import stream_layer
from neurondeath_torch.networks.weight_layers import weight_layers

__all__ = ["looks_linear_"]

OUTPUTS = ("same", "leave")
ZEROS = (
    "where u = 0 (a zero input, a blank patch) a pair of rectifiers and its biases get no gradient in the first step"
)


def looks_linear_(
    model: nn.Module,
    *,
    orthogonal: bool = True,
    output: str = "same",
    generator: torch.Generator | int | None = None,
    first_layer_data: InputData | None = None,
    call: Call | None = None,
) -> Initialisation:
    """Set a model's weights so that, at birth, it is exactly a linear map of its inputs.

    Parameters
    ----------
    model : torch.nn.Module
        The model, changed in place: Linear and convolutional layers, called one after another, each once, with at most
        one activation between two of them; `nn.Sequential` or a forward of its own, activations as modules or
        functions. The model is run once, in evaluation mode, to find the chain.
    orthogonal : bool
        Whether the matrices A are orthonormal, which keeps lengths exactly, or Gaussian, which keeps them in the mean.
        Hidden convolutions then start with their central positions only.
    output : {"same", "leave"}
        Whether the last layer is set to [A, -A] or left unchanged; the model is then linear up to that layer only.
    generator : torch.Generator, int or None
        Source of randomness.
    first_layer_data : tensor or iterable of batches, optional
        Inputs of the model for that run; only their shapes matter. Without them zeros of the size of the first layer
        are passed, for convolutions images of several common sizes in turn.
    call : callable, optional
        (model, batch) -> output, for models that are not called as `model(batch)`, with `first_layer_data`.

    Returns
    -------
    Initialisation
        Layers that were set, standard deviations of their entries, and what is kept at birth (`notes`).

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain or the model is no such chain: an activation without the identity,
        normalisation, maximum pooling, residual sums, a layer called twice or with shared or computed weights, groups
        of a single channel. The model is then unchanged.

    Notes
    -----
    An odd unit of a layer (or of a group) gets incoming weights but no outgoing ones: it changes nothing at birth, and
    its outgoing weights have a gradient. Deep networks need a smaller step size than usual (theory: balduzzi2017).

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 4))
    >>> done = looks_linear_(model, generator=0)
    >>> x = torch.randn(3, 8, generator=torch.Generator().manual_seed(1))
    >>> bool(torch.allclose(model(-x), -model(x), atol=1e-6))
    True
    >>> done.notes[0]
    'lengths, angles of x+ - x-, gradients and the norms of all weight gradients are kept'
    """
    check_flag("orthogonal", orthogonal)
    check_choice("output", output, OUTPUTS)
    plain = plain_model(model)
    stream = stream_layer(plain)
    if stream is not None:
        raise invalid("model", "have no residual stream, which is not linear in the layers' inputs", stream)
    points = (
        None if first_layer_data is None else joined_inputs("first_layer_data", called(plain, first_layer_data, call))
    )
    links = linear_chain(trial_run(plain, points))
    _, others = weight_layers(plain)
    source = check_generator(generator)
    pairs = _all_pairs(links)
    drawn = [
        mirrored(
            link.layer.module,
            pairs[i - 1] if i > 0 and links[i - 1].paired else None,
            pairs[i] if link.paired else None,
            positions=link.positions,
            gain=link.gain,
            orthogonal=orthogonal,
            generator=source,
        )
        for i, link in enumerate(links)
    ]
    left_alone = dict(others)
    chosen = list(zip(links, drawn, strict=True))
    if output == "leave":
        chosen, last = chosen[:-1], links[-1].layer.name
        left_alone[last] = "the output, as asked"
    with torch.no_grad():
        for link, weight in chosen:
            link.layer.module.weight.copy_(weight)
            if link.layer.module.bias is not None:
                link.layer.module.bias.zero_()
    return Initialisation(
        scheme=f"looks-linear, {'orthogonal' if orthogonal else 'Gaussian'}",
        names=tuple(link.layer.name for link, _ in chosen),
        n_units=tuple(link.layer.n_units for link, _ in chosen),
        fan_in=tuple(link.layer.fan_in for link, _ in chosen),
        weight_std=tuple(float(weight.square().mean().sqrt()) for _, weight in chosen),
        bias_std=(0.0,) * len(chosen),
        left_alone=left_alone,
        notes=(*_kept(links, orthogonal, output), *_odd_units(links, pairs), ZEROS),
        seed=source.initial_seed(),
    )


def _all_pairs(links: Sequence[Link]) -> list[Pairs]:
    """Pair the units of all layers; refuse groups of a single unit."""
    found = []
    for i, link in enumerate(links):
        after = getattr(links[i + 1].layer.module, "groups", 1) if i + 1 < len(links) else 1
        pairs = pairs_of(link.layer.n_units, getattr(link.layer.module, "groups", 1), after)
        if link.paired and pairs.plus.shape[1] == 0:
            rule = "have at least two units in every group of a hidden layer, a unit and its mirror image"
            remedy = "use fewer groups or more channels"
            raise invalid("model", rule, f"{link.layer.name}: {link.layer.n_units} in {len(pairs.plus)} groups", remedy)
        found.append(pairs)
    return found


def _kept(links: Sequence[Link], orthogonal: bool, output: str) -> tuple[str, ...]:
    """State what a network with these matrices keeps at birth, for one input."""
    if output == "leave":
        return ("the model is linear up to its last layer, which was left unchanged",)
    if not orthogonal:
        return ("sizes are kept in the mean only, and small angles shrink with depth, as in a random linear network",)
    if not all(isinstance(link.layer.module, nn.Linear) and link.positions == 1 for link in links):
        return ("in hidden convolutions every position keeps its length where channels do not become fewer",)
    hidden = [2 * (link.layer.n_units // 2) for link in links[:-1]]
    if not all(link.paired for link in links[:-1]):
        return ("the model is a linear map, with layers that no activation follows",)
    first, last = links[0].layer.fan_in, links[-1].layer.n_units
    finding = looks_linear(hidden, input_dim=first, output_dim=last).finding
    if all(link.rectifier for link in links[:-1]):
        return (finding,)
    return (f"the linear map of the A's is that of a ReLU network for which {finding}",)


def _odd_units(links: Sequence[Link], pairs: Sequence[Pairs]) -> tuple[str, ...]:
    single = [link.layer.name for link, found in zip(links, pairs, strict=True) if link.paired and len(found.single)]
    return (f"odd widths: one unit a block without outgoing weights in {', '.join(single)}",) if single else ()
