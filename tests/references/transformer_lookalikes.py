"""Small models in the manner of Hugging Face transformers: batches in dicts, outputs of all kinds."""

from collections import OrderedDict
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional


class ModelOutput(OrderedDict):
    """Entries by name, as attributes, or by number."""

    def __getattr__(self, name):
        if name in self:
            return self[name]
        raise AttributeError(name)

    def __getitem__(self, key):
        return tuple(self.values())[key] if isinstance(key, int) else super().__getitem__(key)


@dataclass
class DataOutput:
    """Entries as fields."""

    logits: torch.Tensor
    hidden: tuple[torch.Tensor, ...] = ()
    loss: torch.Tensor | None = None


class Conv1D(nn.Module):
    """A linear layer whose weight has shape (inputs, units)."""

    def __init__(self, nf, nx):
        super().__init__()
        self.nf, self.nx = nf, nx
        self.weight, self.bias = nn.Parameter(torch.empty(nx, nf)), nn.Parameter(torch.zeros(nf))
        nn.init.normal_(self.weight, std=0.3)

    def forward(self, x):
        size = (*x.size()[:-1], self.nf)
        return torch.addmm(self.bias, x.view(-1, x.size(-1)), self.weight).view(size)


class NewGELUActivation(nn.Module):
    """GELU by tanh, composed of several calls."""

    def forward(self, x):
        return 0.5 * x * (1.0 + torch.tanh(0.7978845608 * (x + 0.044715 * x**3)))


class Block(nn.Module):
    """Attention and feed-forward units before a residual sum; `flat` joins points and tokens, as OPT does."""

    def __init__(self, width, hidden, linear, act, causal, flat):
        super().__init__()
        self.causal, self.flat = causal, flat
        self.qkv, self.out = linear(3 * width, width), linear(width, width)
        self.up, self.act, self.down = linear(hidden, width), act(), linear(width, hidden)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x):
        n, t, w = x.shape
        q, k, v = (part.view(n, t, 2, w // 2).transpose(1, 2) for part in self.qkv(self.first(x)).split(w, dim=2))
        mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + self.out(mixed.transpose(1, 2).reshape(n, t, w))
        h = self.second(x)
        h = h.reshape(-1, w) if self.flat else h
        return x + self.down(self.act(self.up(h))).view(n, t, w)


class Language(nn.Module):
    """A decoder-only model, or with `n_classes` a classifier of its first token; `kind` is what it returns."""

    def __init__(self, kind="output", conv1d=False, act=nn.ReLU, causal=True, n_classes=None, flat=False, tied=False):
        super().__init__()
        linear = Conv1D if conv1d else (lambda units, inputs: nn.Linear(inputs, units))
        self.kind, self.n_classes = kind, n_classes
        self.tokens, self.places = nn.Embedding(20, 8), nn.Embedding(12, 8)
        self.blocks = nn.ModuleList(Block(8, 16, linear, act, causal, flat) for _ in range(2))
        self.norm, self.head = nn.LayerNorm(8), nn.Linear(8, n_classes or 20, bias=False)
        if tied:
            self.head.weight = self.tokens.weight

    def forward(self, input_ids, attention_mask=None, labels=None):
        x = self.tokens(input_ids) + self.places(torch.arange(input_ids.shape[1], device=input_ids.device))
        for block in self.blocks:
            x = block(x)
        x = self.norm(x)
        logits = self.head(x[:, 0] if self.n_classes else x)
        loss = None if labels is None else functional.cross_entropy(logits.flatten(0, -2), labels.flatten())
        if self.kind == "tuple":
            return (logits, (x,)) if loss is None else (loss, logits, (x,))
        if self.kind == "dataclass":
            return DataOutput(logits, (x,), loss)
        entries = {"loss": loss, "logits": logits, "hidden": x}
        kept = {name: value for name, value in entries.items() if value is not None}
        return kept if self.kind == "dict" else ModelOutput(kept)


class Translator(nn.Module):
    """An encoder-decoder model, whose decoder reads the labels shifted by one."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder = Language("tuple", causal=False), Language("tuple")

    def prepare_decoder_input_ids_from_labels(self, labels):
        return torch.cat([torch.zeros_like(labels[:, :1]), labels[:, :-1]], 1)

    def forward(self, input_ids, decoder_input_ids=None, attention_mask=None):
        if decoder_input_ids is None:
            raise ValueError("You have to specify decoder_input_ids")
        memory = self.encoder(input_ids)[1][0].mean(1, keepdim=True)
        logits = self.decoder(decoder_input_ids)[0]
        return ModelOutput(logits=logits + memory.sum(-1, keepdim=True))


def text(n=24, length=6, **more):
    """Return a batch of tokens."""
    ids = torch.randint(0, 20, (n, length), generator=torch.Generator().manual_seed(n))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), **more}


def silence(model, name, units=5):
    """Silence the first units of the layers whose name ends so."""
    with torch.no_grad():
        for path, module in model.named_modules():
            if path.endswith(name):
                weight = module.weight if isinstance(module, nn.Linear) else module.weight.T
                weight[:units] = 0.0
                module.bias[:units] = -30.0
