"""Train many small networks of one shape at once, for statistics over trials.

The parameters of all networks are stacked along a new first axis, and every network has its own random batches. The
loss is the sum over the networks, so that the gradient of each is its own; SGD and Adam act per entry and so train each
network as if it were alone. Networks are trained in groups of a fixed size with their own random numbers: a larger
number of networks does not change the first ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn, optim
from torch.func import functional_call, stack_module_state, vmap

from neurondeath_theory.foundation.number_format import format_number
from neurondeath_theory.foundation.results import Result
from neurondeath_theory.foundation.validation import check_choice, check_count, check_real, invalid
from neurondeath_torch.training.random_seeds import seed_of

__all__ = ["ManyNetworks", "train_many"]

NETWORKS_PER_GROUP = 1024  # trained at once; results of a seed depend on it
LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "squared": F.mse_loss,
    "cross-entropy": F.cross_entropy,
}
OPTIMISERS: dict[str, Callable[..., optim.Optimizer]] = {"sgd": optim.SGD, "adam": optim.Adam}


@dataclass(frozen=True, kw_only=True)
class ManyNetworks(Result):
    """Results of training many networks.

    Attributes
    ----------
    first_loss, loss : float array, shape (n_networks,)
        Loss on all points before and after training.
    outputs : float32 array, shape (n_networks, n_points, n_outputs)
        Outputs of each trained network on all points.
    first_spread, spread : float arrays, shape (n_networks,)
        Largest minus smallest output over the points, maximised over the outputs, before and after training: 0 for a
        network that is constant on the data.
    """

    first_loss: npt.NDArray[np.float64]
    loss: npt.NDArray[np.float64]
    outputs: npt.NDArray[np.float32]
    first_spread: npt.NDArray[np.float64]
    spread: npt.NDArray[np.float64]

    def n_constant(self, tolerance: float = 1e-6) -> int:
        """Count the trained networks whose outputs differ by no more than `tolerance` over the points."""
        return int((self.spread <= check_real("tolerance", tolerance, low=0.0)).sum())

    def columns(self) -> Mapping[str, Sequence[Any] | np.ndarray[Any, Any]]:
        """Columns of the table, one row per network."""
        return {
            "first_loss": self.first_loss,
            "loss": self.loss,
            "first_spread": self.first_spread,
            "spread": self.spread,
        }

    def __str__(self) -> str:
        return (
            f"{len(self.loss)} networks, median loss {format_number(float(np.median(self.first_loss)))} -> "
            f"{format_number(float(np.median(self.loss)))}, {self.n_constant()} constant on the data"
        )


def train_many(
    make_model: Callable[[], nn.Module],
    inputs: Tensor,
    targets: Tensor,
    *,
    n_networks: int,
    steps: int,
    batch_size: int | None = None,
    learning_rate: float = 1e-3,
    optimiser: str = "adam",
    loss: str = "squared",
    seed: int = 0,
    progress: Callable[[int], None] | None = None,
) -> ManyNetworks:
    """Train many networks of one shape on one data set.

    Parameters
    ----------
    make_model : callable
        Builds one newly initialised network with PyTorch's global generator, which is seeded for it and restored
        afterwards. Its state may hold parameters only: batch norm's running statistics cannot be stacked.
    inputs, targets : tensors, first dimension n_points
        The data; targets of the network's output shape for "squared", classes for "cross-entropy".
    n_networks, steps : int
        Number of networks, and number of updates of each.
    batch_size : int, optional
        Points per batch, drawn with replacement and separately for each network; all points by default.
    learning_rate : float
        Learning rate, at least 0.
    optimiser : {"adam", "sgd"}
        Optimiser, with PyTorch's defaults except the learning rate.
    loss : {"squared", "cross-entropy"}
        Loss, averaged over the batch.
    seed : int
        The same seed gives the same networks, batches and, on one machine, results.
    progress : callable, optional
        Called after each group with the number of finished networks.

    Returns
    -------
    ManyNetworks
        One entry per network.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain or the model cannot be stacked.

    Examples
    --------
    >>> x = torch.linspace(-1, 1, 32)[:, None]
    >>> result = train_many(lambda: nn.Linear(1, 1), x, 2 * x, n_networks=3, steps=300, learning_rate=0.1)
    >>> bool((result.loss < 1e-3).all())
    True
    """
    n_networks, steps = check_count("n_networks", n_networks), check_count("steps", steps, least=0)
    check_real("learning_rate", learning_rate, low=0.0)
    criterion = LOSSES[check_choice("loss", loss, tuple(LOSSES))]
    make_optimiser = OPTIMISERS[check_choice("optimiser", optimiser, tuple(OPTIMISERS))]
    seed = check_count("seed", seed, least=0)
    n_points = len(inputs)
    if n_points == 0 or len(targets) != n_points:
        raise invalid("targets", "hold one entry per point, at least one", f"{len(targets)} for {n_points} inputs")
    batch = n_points if batch_size is None else check_count("batch_size", batch_size)
    groups = []
    for first in range(0, n_networks, NETWORKS_PER_GROUP):
        kept = min(NETWORKS_PER_GROUP, n_networks - first)
        models = [_make(make_model, seed, number) for number in range(first, first + kept)]
        generator = torch.Generator().manual_seed(seed_of(seed, first // NETWORKS_PER_GROUP, "batches"))
        group = _Group(models, criterion)
        before, spread_before = group.losses(inputs, targets), _spread(group.outputs(inputs))
        stepper = make_optimiser(group.parameters.values(), lr=learning_rate)
        for _ in range(steps):
            if batch_size is None:
                x, y = inputs.expand(kept, *inputs.shape), targets.expand(kept, *targets.shape)
            else:
                picked = torch.randint(n_points, (NETWORKS_PER_GROUP, batch), generator=generator)[:kept]
                picked = picked.to(inputs.device)
                x, y = inputs[picked], targets[picked]
            stepper.zero_grad()
            group.loss(x, y).sum().backward()  # type: ignore[no-untyped-call]
            stepper.step()
        groups.append((before, spread_before, group.losses(inputs, targets), group.outputs(inputs)))
        if progress is not None:
            progress(first + kept)
    first_loss, first_spread, last_loss, outputs = (np.concatenate(column) for column in zip(*groups, strict=True))
    return ManyNetworks(
        first_loss=first_loss,
        loss=last_loss,
        outputs=outputs.reshape(n_networks, n_points, -1),
        first_spread=first_spread,
        spread=_spread(outputs),
    )


class _Group:
    """Networks with stacked parameters."""

    def __init__(self, models: Sequence[nn.Module], criterion: Callable[[Tensor, Tensor], Tensor]) -> None:
        parameters, buffers = stack_module_state(list(models))
        if buffers:
            raise invalid("make_model", "give networks without buffers", sorted(buffers)[0], "leave batch norm out")
        self.parameters = {name: values.detach().requires_grad_() for name, values in parameters.items()}
        template = models[0]

        def loss_of_one(state: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
            return criterion(functional_call(template, state, (x,)), y)

        def outputs_of_one(state: dict[str, Tensor], x: Tensor) -> Tensor:
            return cast(Tensor, functional_call(template, state, (x,)))

        self._loss = vmap(loss_of_one)
        self._loss_on_shared = vmap(loss_of_one, in_dims=(0, None, None))
        self._outputs = vmap(outputs_of_one, in_dims=(0, None))

    def loss(self, x: Tensor, y: Tensor) -> Tensor:
        """Return the loss of every network on its own batch."""
        return self._loss(self.parameters, x, y)

    @torch.no_grad()
    def losses(self, x: Tensor, y: Tensor) -> npt.NDArray[np.float64]:
        """Return the loss of every network on the same points."""
        return self._loss_on_shared(self.parameters, x, y).double().cpu().numpy()

    @torch.no_grad()
    def outputs(self, x: Tensor) -> npt.NDArray[np.float32]:
        """Return the outputs of every network on the same points."""
        return self._outputs(self.parameters, x).float().cpu().numpy()


def _spread(outputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Compute each network's largest minus smallest output over the points, maximised over its outputs."""
    flat = outputs.reshape(*outputs.shape[:2], -1)
    widest: npt.NDArray[np.float64] = (flat.max(axis=1) - flat.min(axis=1)).max(axis=1).astype(np.float64)
    return widest


def _make(make_model: Callable[[], nn.Module], seed: int, number: int) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(seed, number, "weights"))
        return make_model()
