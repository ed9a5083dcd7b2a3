"""Many perceptrons of one shape and form as one module, for studies over initialisations and seeds.

A stack holds networks that differ in their weights only: plain ones, critical residual streams, plain residual networks
or networks with batch norm, as `build_model` returns them for kind "mlp". All matrices lie in one tensor, so that a
step of training costs a few operations per layer whatever the number of networks.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from neurondeath_theory.foundation.validation import invalid
from neurondeath_torch.networks.residual_stream import StreamBranch, StreamStart, normalised
from neurondeath_torch.training.shortcuts import ResidualLayer

__all__ = ["StackedNetworks"]

EPS = 1e-5  # as in PyTorch's batch norm


class StackedNetworks(nn.Module):
    """Perceptrons of one shape and form.

    Parameters
    ----------
    models : sequence of nn.Sequential
        As `build_model` returns them for kind "mlp", of one shape, activation and form. Their parameters are copied.

    Raises
    ------
    InvalidArgumentError
        If there is none, or they differ in shape or form.

    Examples
    --------
    >>> layers = [nn.Flatten(), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)]
    >>> model = nn.Sequential(*layers)
    >>> x = torch.randn(5, 4)
    >>> bool(torch.allclose(StackedNetworks([model])(x[None])[0], model(x), atol=1e-6))
    True
    """

    def __init__(self, models: Sequence[nn.Sequential]) -> None:
        super().__init__()
        forms = [_Form(model) for model in models]
        signatures = {form.signature for form in forms}
        if len(signatures) != 1:
            raise invalid("models", "be networks of one shape and form", f"{len(signatures)} of them")
        self.form = forms[0]

        def stack(tensors: Sequence[Tensor]) -> nn.Parameter:
            return nn.Parameter(torch.stack([tensor.detach() for tensor in tensors]).contiguous())

        self.first = stack([form.layers[0].weight.T for form in forms])
        self.first_bias = stack([form.layers[0].bias[None] for form in forms])
        self.head = stack([form.layers[-1].weight.T for form in forms])
        self.head_bias = stack([form.layers[-1].bias[None] for form in forms])
        hidden = [form.layers[1:-1] for form in forms]
        layers = range(len(hidden[0]))
        self.hidden = stack([torch.stack([chain[i].weight.T for chain in hidden]) for i in layers])
        self.hidden_bias = stack([torch.stack([chain[i].bias[None] for chain in hidden]) for i in layers])
        if self.form.batch_norm:
            ones = torch.ones(len(hidden[0]) + 1, len(forms), 1, self.first.shape[2])
            self.gain, self.shift = nn.Parameter(ones), nn.Parameter(torch.zeros_like(ones))

    def forward(self, x: Tensor, population: Tensor | None = None) -> Tensor:
        """Compute logits.

        Parameters
        ----------
        x : tensor, shape (n_networks, n, input_dim) or (1, n, input_dim)
            Inputs of every network, or of all.
        population : tensor, optional
            Inputs whose statistics batch norm uses, in place of those of x.

        Returns
        -------
        tensor, shape (n_networks, n, n_classes)
        """
        return torch.baddbmm(self.head_bias, self.features(x, population), self.head)

    def features(self, x: Tensor, population: Tensor | None = None) -> Tensor:
        """Compute the activations of the last hidden layer, shape (n_networks, n, width)."""
        own, form = x.shape[1], self.form
        if form.batch_norm and population is not None:
            x = torch.cat([x, population], dim=1)
        matrices, biases = self.hidden.unbind(0), self.hidden_bias.unbind(0)
        z = torch.baddbmm(self.first_bias, x.expand(len(self.first), -1, -1), self.first)
        if form.batch_norm:
            z = self._standardised(z, 0, own, population is not None)
        if form.shortcuts:
            return self._summed(z, matrices, biases)
        if form.keep > 0.0:
            z = normalised(z.flatten(0, 1), form.q).view(z.shape)
        for layer, (matrix, bias) in enumerate(zip(matrices, biases, strict=True), start=1):
            branch = torch.baddbmm(bias, self._phi(z), matrix)
            if form.batch_norm:
                branch = self._standardised(branch, layer, own, population is not None)
            z = torch.add(form.keep * z, branch, alpha=form.scale) if form.keep > 0.0 else branch
        return self._phi(z)[:, :own]

    def _summed(self, z: Tensor, matrices: Sequence[Tensor], biases: Sequence[Tensor]) -> Tensor:
        y = self._phi(z)
        for matrix, bias in zip(matrices, biases, strict=True):
            y = y + self._phi(torch.baddbmm(bias, y, matrix))
        return y

    def _standardised(self, z: Tensor, layer: int, own: int, of_population: bool) -> Tensor:
        sample = z[:, own:] if of_population else z
        variance, mean = torch.var_mean(sample, dim=1, keepdim=True, correction=0)
        return (z - mean) * torch.rsqrt(variance + EPS) * self.gain[layer] + self.shift[layer]

    def _phi(self, z: Tensor) -> Tensor:
        return functional.leaky_relu(z, self.form.slope) if self.form.slope else torch.relu(z)


class _Form:
    """The layers of one perceptron and the numbers in which networks differ."""

    def __init__(self, model: nn.Sequential) -> None:
        modules = list(model.modules())
        self.layers = [module for module in modules if isinstance(module, nn.Linear)]
        self.shortcuts = any(isinstance(module, ResidualLayer) for module in modules)
        self.batch_norm = any(isinstance(module, nn.BatchNorm1d) for module in modules)
        slopes = {module.negative_slope for module in modules if isinstance(module, nn.LeakyReLU)}
        if len(slopes) > 1:
            raise invalid("models", "have one activation", f"slopes {sorted(slopes)}")
        self.slope = slopes.pop() if slopes else 0.0
        self.keep, self.scale, self.q = 0.0, 1.0, 0.0
        for layer in self.layers:
            for hook in layer._forward_hooks.values():
                if isinstance(hook, StreamStart) and hook.q is not None:
                    self.q = hook.q
                if isinstance(hook, StreamBranch):
                    self.keep, self.scale = hook.keep, hook.scale
        shapes = tuple(tuple(layer.weight.shape) for layer in self.layers)
        self.signature = (shapes, self.shortcuts, self.batch_norm, self.slope, self.keep, self.q)
