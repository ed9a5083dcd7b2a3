"""A small sparse autoencoder for tests, with a tied or an untied decoder."""

import torch
from torch import Tensor, nn

from neurondeath_torch.networks.sparse_codes import TiedLinear


class Autoencoder(nn.Module):
    """Decoder(activation(encoder(x - centre))) + centre."""

    def __init__(self, activation, *, dimension=16, features=96, tied=False, centre=None, seed=0):
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.centre = nn.Parameter(torch.zeros(dimension) if centre is None else centre.clone())
            self.encoder = nn.Linear(dimension, features)
            self.activation = activation
            untied = nn.Linear(features, dimension, bias=False)
            self.decoder = TiedLinear(self.encoder, bias=False) if tied else untied

    def forward(self, x: Tensor) -> Tensor:
        return self.decoder(self.activation(self.encoder(x - self.centre))) + self.centre


def activations(n_points=256, dimension=16, *, mean=1.0, seed=1):
    """Return inputs with a mean and a power-law spectrum."""
    rows = torch.randn(n_points, dimension, generator=torch.Generator().manual_seed(seed))
    return rows * torch.arange(1, dimension + 1) ** -1.0 + mean
