"""Which networks learn: widths x depths x remedies on the digits, beside what was forecast at birth.

Every network is built by `build_model`, measured before training, and trained with the reference budget of the
forecast: 15 epochs of 28 batches of 50 images, Adam at 1e-3, each network's gradient clipped at norm 1. Networks of one
width and depth are trained side by side as one stack.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn, optim

from neurondeath_theory.foundation.errors import InvalidArgumentError
from neurondeath_theory.foundation.progress import new_display
from neurondeath_torch.studies.birth_features import birth_features
from neurondeath_torch.studies.stacked_networks import StackedNetworks
from neurondeath_torch.training.configuration import TAILORED, ModelChoice
from neurondeath_torch.training.labelled_data import LabelledData, Split, load_labelled_data
from neurondeath_torch.training.model_building import build_model
from neurondeath_torch.training.random_seeds import seed_of

__all__ = ["DEPTHS", "REMEDIES", "WIDTHS", "learning_rows", "train_stack"]

WIDTHS = (4, 8, 16, 32, 64)
DEPTHS = (5, 10, 20, 40, 60, 100, 150, 200)
SEEDS = (0, 1, 2)
REMEDIES: dict[str, dict[str, Any]] = {
    "he": {"initialisation": "he"},
    "layer flip": {"initialisation": "he", "sign_flip": "layer"},
    "neuron flip": {"initialisation": "he", "sign_flip": "neuron"},
    "rai": {"initialisation": "rai"},
    "looks-linear": {"initialisation": "looks-linear"},
    "tailored slope": {"initialisation": "he", "activation": TAILORED},
    "batch norm": {"initialisation": "he", "options": {"batch_norm": True}},
    "residual": {"initialisation": "he", "residual": True},
    "critical residual, D = 1": {"residual": True, "effective_depth": 1.0},
    "critical residual, D = 4": {"residual": True, "effective_depth": 4.0},
}
FORMS = (  # remedies whose networks can be stacked
    ("he", "layer flip", "neuron flip", "rai", "looks-linear"),
    *((name,) for name in list(REMEDIES)[5:]),
)
N_TRAIN, BATCH, EPOCHS, RATE, CLIP = 1400, 50, 15, 1e-3, 1.0
N_MEASURED = 256  # images on which features are measured
Rows = list[dict[str, Any]]


def learning_rows(
    *,
    widths: Sequence[int] = WIDTHS,
    depths: Sequence[int] = DEPTHS,
    seeds: Sequence[int] = SEEDS,
    epochs: int = EPOCHS,
    finished: Sequence[Mapping[str, Any]] = (),
    keep: Callable[[Rows], None] = lambda rows: None,
) -> Rows:
    """Measure and train the networks of a grid.

    Parameters
    ----------
    widths, depths, seeds : sequences of int
        The grid; every remedy of `REMEDIES` at each of them.
    epochs : int
        Epochs of training.
    finished : sequence of rows
        Rows of an earlier, interrupted run; their networks are not trained again.
    keep : callable
        Called with all rows after every width and depth.

    Returns
    -------
    list of dict
        One row per network: the measurements of `birth_features` on 256 training images, the entropy rank on as many
        Gaussian points (`gaussian_rank`), and of the first step the logarithm of the gradient's norm (`log_gradient`),
        the root mean square change of the logits (`first_step`), and the decrease of the batch's loss as a share of
        its linear prediction (`step_gain`); after training `train_accuracy`, `test_accuracy`, `loss`.

    Examples
    --------
    >>> rows = learning_rows(widths=[8], depths=[2], seeds=[0], epochs=1)
    >>> [row["remedy"] for row in rows] == list(REMEDIES)
    True
    """
    data = load_labelled_data("digits", n_train=N_TRAIN)
    rows = [dict(row) for row in finished]
    done = {(row["width"], row["depth"], row["remedy"], row["seed"]) for row in rows}
    passed, worked, total = 0, 0, sum(depths) * len(widths)
    display, started = new_display(), time.monotonic()
    try:
        for depth in sorted(depths):
            for width in widths:
                for form in FORMS:
                    wanted = [(name, seed) for name in form for seed in seeds if (width, depth, name, seed) not in done]
                    if wanted:
                        worked += depth if form is FORMS[0] else 0
                        rows += _form_rows(wanted, width, depth, epochs, data)
                rows.sort(key=_order)
                keep(rows)
                passed += depth
                left = (time.monotonic() - started) * (total - passed) / max(worked, 1) / 60.0
                how_far = f"width {width}, depth {depth} done, {left:.0f} min left"
                display.update(passed / total, "learning grid", how_far)
    finally:
        display.close()
    return rows


def _order(row: Mapping[str, Any]) -> tuple[int, int, int, int]:
    return row["width"], row["depth"], list(REMEDIES).index(row["remedy"]), row["seed"]


def _form_rows(
    wanted: Sequence[tuple[str, int]], width: int, depth: int, epochs: int, data: LabelledData
) -> Iterator[dict[str, Any]]:
    networks = StackedNetworks([_model(name, width, depth, seed, data) for name, seed in wanted])
    flat = data.train.images.flatten(1)
    points = torch.randn(N_MEASURED, flat.shape[1], generator=torch.Generator().manual_seed(seed_of(0, 0, "points")))
    columns: dict[str, list[Any]] = birth_features(networks, flat[:N_MEASURED])
    columns["gaussian_rank"] = birth_features(networks, points)["entropy_rank"]
    columns |= train_stack(networks, data, seeds=[seed for _, seed in wanted], epochs=epochs)
    for index, (name, seed) in enumerate(wanted):
        head = {
            "experiment": f"{name}, {width} x {depth}",
            "width": width,
            "depth": depth,
            "remedy": name,
            "seed": seed,
        }
        yield head | {column: values[index] for column, values in columns.items()}


def _model(name: str, width: int, depth: int, seed: int, data: LabelledData) -> nn.Sequential:
    chosen = dict(REMEDIES[name])
    options = {"width": width, "depth": depth, **chosen.pop("options", {})}
    if chosen.get("effective_depth", 0.0) > depth - 1:
        chosen["effective_depth"] = float(depth - 1)
    try:
        model = build_model(ModelChoice(options=options, **chosen), data.shape, 10, seed=seed, images=data.train.images)
    except InvalidArgumentError:
        if chosen.pop("activation", None) is None:
            raise
        return _relu_model(chosen, options, seed, data)  # a network this shallow needs no slope
    return cast(nn.Sequential, model)


def _relu_model(chosen: Mapping[str, Any], options: Mapping[str, Any], seed: int, data: LabelledData) -> nn.Sequential:
    model = build_model(ModelChoice(options=options, **chosen), data.shape, 10, seed=seed, images=data.train.images)
    return cast(nn.Sequential, model)


def train_stack(
    networks: StackedNetworks, data: LabelledData, *, seeds: Sequence[int], epochs: int = EPOCHS, rate: float = RATE
) -> dict[str, list[Any]]:
    """Train a stack of networks in place, each on its own batches and with its own clipped gradient.

    Parameters
    ----------
    networks : StackedNetworks
        The networks.
    data : LabelledData
        The data.
    seeds : sequence of int
        Seed of every network's batches; networks of equal seeds see the same.
    epochs : int
        Passes over the training images.
    rate : float
        Learning rate of Adam.

    Returns
    -------
    dict of list
        `log_gradient`, `first_step` and `step_gain` of the first step; `train_accuracy`, `test_accuracy` and `loss` at
        the end.
    """
    images, classes = data.train.images.flatten(1), data.train.classes
    sources = {seed: torch.Generator().manual_seed(seed_of(seed, 0, "batches")) for seed in seeds}
    stepper = optim.Adam(networks.parameters(), lr=rate)
    first: dict[str, list[Any]] = {}
    probe = images[None, :N_MEASURED]
    for _ in range(epochs):
        orders = {seed: torch.randperm(len(images), generator=source) for seed, source in sources.items()}
        order = torch.stack([orders[seed] for seed in seeds])
        for picked in torch.split(order, BATCH, dim=1):
            stepper.zero_grad()
            losses = _losses(networks(images[picked]), classes[picked])
            losses.sum().backward()  # type: ignore[no-untyped-call]
            norms = _clip(networks)
            if first:
                stepper.step()
                continue
            with torch.no_grad():
                before, expected = networks(probe), rate * _absolute_gradient(networks) * (norms / CLIP).clamp(min=1.0)
                stepper.step()
                change = (networks(probe) - before).double().square().mean(dim=(1, 2)).sqrt()
                decrease = (losses - _losses(networks(images[picked]), classes[picked])).double()
            first = {
                "log_gradient": _numbers(norms.log()),
                "first_step": _numbers(change),
                "step_gain": _numbers(decrease / expected),
            }
    return first | _accuracies(networks, data)


def _losses(logits: Tensor, classes: Tensor) -> Tensor:
    """Return every network's mean cross-entropy."""
    each = F.cross_entropy(logits.flatten(0, 1), classes.flatten(), reduction="none")
    return each.view(classes.shape).mean(dim=1)


def _clip(networks: StackedNetworks) -> Tensor:
    """Scale every network's gradient to norm 1 at most, as `clip_grad_norm_` does; return the norms before."""
    total = torch.zeros(len(networks.head), dtype=torch.float64)
    for parameter, axis in _gradients(networks):
        grad = cast(Tensor, parameter.grad)
        total += grad.double().square().movedim(axis, 0).flatten(1).sum(dim=1)
    norms = total.sqrt()
    factors = (CLIP / (norms + 1e-6)).clamp(max=1.0).float()
    for parameter, axis in _gradients(networks):
        cast(Tensor, parameter.grad).mul_(factors.view([-1 if i == axis else 1 for i in range(parameter.ndim)]))
    return norms


def _absolute_gradient(networks: StackedNetworks) -> Tensor:
    """Return the sum of the gradient's absolute values, to which the first step of Adam is proportional."""
    total = torch.zeros(len(networks.head), dtype=torch.float64)
    for parameter, axis in _gradients(networks):
        total += cast(Tensor, parameter.grad).double().abs().movedim(axis, 0).flatten(1).sum(dim=1)
    return total


def _gradients(networks: StackedNetworks) -> Iterator[tuple[Tensor, int]]:
    """Generate the parameters and their axis of networks: the second where layers are the first."""
    for parameter in networks.parameters():
        if parameter.grad is not None:
            yield parameter, 1 if parameter.ndim == 4 else 0


@torch.no_grad()
def _accuracies(networks: StackedNetworks, data: LabelledData) -> dict[str, list[Any]]:
    population = data.train.images.flatten(1)[None]

    def logits(split: Split) -> Tensor:
        return cast(Tensor, networks(split.images.flatten(1)[None], population))

    train, test = logits(data.train), logits(data.test)
    of_all = data.train.classes.expand(len(train), -1)
    return {
        "train_accuracy": _numbers((train.argmax(dim=2) == data.train.classes).double().mean(dim=1)),
        "test_accuracy": _numbers((test.argmax(dim=2) == data.test.classes).double().mean(dim=1)),
        "loss": _numbers(_losses(train, of_all).double()),
    }


def _numbers(values: Tensor) -> list[float | None]:
    return [value if value == value and abs(value) != float("inf") else None for value in values.tolist()]
