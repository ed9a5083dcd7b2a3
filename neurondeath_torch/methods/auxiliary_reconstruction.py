r"""AuxK: an auxiliary loss that revives the dead latents of a sparse autoencoder [Gao et al. 2024, arXiv 2406.04093].

With e = x - x' the reconstruction error of the autoencoder, the k dead latents with the largest pre-activations
reconstruct it: e' = W_dec z. The loss contains

    coefficient * |e - e'|^2 / |e - mean(e)|^2

with e held constant, means over the batch; without `normalised`, only the mean squared error. A latent is dead when it
did not fire for a number of samples (tokens). Gradients reach only dead latents and the rows that write them, which the
main loss leaves alone.
"""

import weakref
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_count, check_flag, check_real, invalid
from neurondeath_torch.methods.training_method import TrainingMethod
from neurondeath_torch.networks.tensor_flow import tensors_of

__all__ = ["AuxK", "auxiliary_loss"]


class AuxK(TrainingMethod):
    """Let dead latents reconstruct what the others leave over.

    Parameters
    ----------
    model : torch.nn.Module
        A sparse autoencoder that maps samples, shape (n, n_inputs), to their reconstruction.
    optimiser : torch.optim.Optimizer, optional
        Only to notice misuse.
    encoder, decoder : str
        Names of its two linear layers: the output of the encoder is the pre-activation of the latents, the input of the
        decoder their activation. With a pre-encoder bias or a norm around them the names are the same.
    k : int, optional
        Number of dead latents that reconstruct each sample; half the number of inputs if not given.
    coefficient : float
        Factor of the auxiliary loss, at least 0.
    dead_after : int
        Samples without firing after which a latent is dead.
    normalised : bool
        Whether the error is relative to the variance of what is to be reconstructed.

    Raises
    ------
    InvalidArgumentError
        If an argument is out of its domain or the layers do not fit each other.

    Notes
    -----
    Source: arXiv 2406.04093, appendix A.2, with its coefficient 1/32. The pre-activations of dead latents are
    rectified. A batch whose auxiliary loss is not finite has none. Only batches in training mode are counted, and a
    penalty belongs to the last of them.

    Examples
    --------
    >>> model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 4))
    >>> with torch.no_grad():
    ...     _ = model[0].bias[:6].fill_(-50.0)
    >>> auxk = AuxK(model, encoder="0", decoder="2", dead_after=100)
    >>> for _ in range(4):
    ...     x = torch.randn(50, 4)
    ...     ((model(x) - x).square().mean() + auxk.penalty()).backward()
    ...     auxk.after_step()
    >>> auxk.n_dead >= 6
    True
    """

    acts_after_steps = True

    def __init__(
        self,
        model: nn.Module,
        optimiser: torch.optim.Optimizer | None = None,
        *,
        encoder: str,
        decoder: str,
        k: int | None = None,
        coefficient: float = 1 / 32,
        dead_after: int = 10_000_000,
        normalised: bool = True,
    ) -> None:
        super().__init__(model, optimiser)
        modules = dict(self._model.named_modules())
        for name, layer in (("encoder", encoder), ("decoder", decoder)):
            if not isinstance(modules.get(layer), nn.Linear):
                raise invalid(name, "name a linear layer of the model", layer, "see model.named_modules()")
        self._encoder, self._decoder = modules[encoder], modules[decoder]
        n_latents, n_inputs = self._decoder.in_features, self._decoder.out_features
        if (self._encoder.out_features, self._encoder.in_features) != (n_latents, n_inputs):
            received = f"{self._encoder.in_features} -> {self._encoder.out_features}"
            raise invalid("encoder", f"map {n_inputs} inputs to the {n_latents} latents of the decoder", received)
        self._k = max(n_inputs // 2, 1) if k is None else check_count("k", k)
        self._coefficient = check_real("coefficient", coefficient, low=0.0)
        self._dead_after = check_count("dead_after", dead_after, most=2**62)
        self._normalised = check_flag("normalised", normalised)
        self._silent = torch.zeros(n_latents, dtype=torch.int64, device=self._decoder.weight.device)
        self._seen: dict[str, Tensor] = {}
        for module, part in ((self._model, "error"), (self._encoder, "before"), (self._decoder, "latents")):
            weakref.finalize(self, module.register_forward_hook(_Tap(self, part), with_kwargs=True).remove)

    @property
    def n_dead(self) -> int:
        """Number of latents that are dead now."""
        return int(self._dead().sum())

    def after_step(self) -> None:
        """Count for how many samples each latent has been silent."""
        super().after_step()
        if "latents" not in self._seen:
            self._loop.warn("no batch was seen in training mode since the last step; call model.train()")
        self._seen = {}

    def state_dict(self) -> dict[str, Any]:
        """Return counters and the silences of the latents."""
        return {**super().state_dict(), "silent": self._silent.clone()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a saved state; the model must be the same."""
        super().load_state_dict(state)
        if state["silent"].shape != self._silent.shape:
            raise invalid("state", f"hold {len(self._silent)} latents", len(state["silent"]), "build the same model")
        self._silent = state["silent"].to(self._silent.device, copy=True)

    def _penalty(self) -> Tensor | None:
        if not self._penalty_due:
            return None
        loss = auxiliary_loss(
            self._seen["error"],
            self._seen["before"],
            self._decoder.weight,
            self._dead(),
            self._k,
            normalised=self._normalised,
        )
        if bool(torch.isfinite(loss)):
            return self._coefficient * loss
        self._seen.pop("error")  # no penalty is due for this batch
        return None

    @property
    def _penalty_due(self) -> bool:
        seen = self._coefficient > 0.0 and {"error", "before"} <= self._seen.keys()
        return seen and bool(self._dead().any())

    def _dead(self) -> Tensor:
        return self._silent >= self._dead_after

    def _look(self, part: str, module: nn.Module, inputs: Tensor, output: Any) -> None:
        if not module.training or not torch.is_grad_enabled():
            return
        if part == "error":
            result = next(tensors_of((output,), {}))
            self._seen["error"] = (inputs - result).detach().flatten(0, -2)
        elif part == "before":
            self._seen["before"] = output.flatten(0, -2)
        else:
            active = (inputs.detach() != 0).flatten(0, -2)
            self._seen["latents"] = active
            self._silent = torch.where(active.any(0), 0, self._silent + len(active))


def auxiliary_loss(
    error: Tensor, before: Tensor, decoder: Tensor, dead: Tensor, k: int, *, normalised: bool = True
) -> Tensor:
    """Compute how well the dead latents reconstruct an error.

    Parameters
    ----------
    error : Tensor, shape (n, n_inputs)
        What is to be reconstructed.
    before : Tensor, shape (n, n_latents)
        Pre-activations.
    decoder : Tensor, shape (n_inputs, n_latents)
        Weights of the decoder.
    dead : bool Tensor, shape (n_latents,)
        At least one dead latent.
    k : int
        Dead latents per sample; all if there are fewer.
    normalised : bool
        Whether to divide by the variance of the error over the batch.

    Returns
    -------
    Tensor
        A differentiable scalar; NaN or infinite where the error does not vary.

    Examples
    --------
    >>> auxiliary_loss(torch.tensor([[1.0], [3.0]]), torch.tensor([[9.0, 1.0], [9.0, 1.0]]), torch.ones(1, 2),
    ...                torch.tensor([False, True]), 1).item()
    2.0
    """
    columns = dead.nonzero().flatten()
    values, places = before[:, columns].topk(min(k, len(columns)), dim=1)
    latents = torch.zeros_like(before[:, columns]).scatter(1, places, values.relu())
    loss = (latents @ decoder[:, columns].T - error).square().mean()
    return loss / (error - error.mean(0)).square().mean() if normalised else loss


class _Tap:
    """A hook that does not keep its method alive and does nothing in copies of the model."""

    def __init__(self, method: AuxK | None, part: str) -> None:
        self._method, self._part = None if method is None else weakref.ref(method), part

    def __call__(self, module: nn.Module, arguments: tuple[Any, ...], keywords: dict[str, Any], output: Any) -> None:
        method = None if self._method is None else self._method()
        if method is not None:
            method._look(self._part, module, next(tensors_of(arguments, keywords)), output)

    def __deepcopy__(self, memo: dict[int, Any]) -> "_Tap":
        return _Tap(None, self._part)

    def __reduce__(self) -> tuple[Any, ...]:
        return _Tap, (None, self._part)
