"""Models whose way or outputs depend on more than their structure, which no conversion can take over."""

import torch
from torch import nn

__all__ = ["Branching", "Chance"]


class Branching(nn.Module):
    """Takes one way for some inputs, and another for others."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x):
        return self.layer(x) if x.sum() > 0 else x


class Chance(Branching):
    """Adds random numbers."""

    def forward(self, x):
        return self.layer(x) + torch.rand_like(x)
