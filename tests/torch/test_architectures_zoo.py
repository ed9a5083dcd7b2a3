"""Common architectures, written small: the monitor equals an independent count of PyTorch's primitive operations."""

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from neurondeath_torch.auditing.audit import audit
from neurondeath_torch.watching.monitor import DeadUnitMonitor

RECTIFYING = ("relu", "relu_", "hardtanh", "hardtanh_", "clamp_min", "clamp_min_", "clamp", "threshold")


class Primitive(TorchDispatchMode):
    """Count what every rectifying primitive leaves nonzero, by unit: axis 1 of images and sequences of channels."""

    def __init__(self, tokens):
        super().__init__()
        self.tokens, self.counts = tokens, []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if func.name().partition("::")[2].partition(".")[0] in RECTIFYING:
            axis = 1 if out.ndim == 4 or (out.ndim == 3 and not self.tokens) else out.ndim - 1
            self.counts.append((out != 0).movedim(axis, 0).flatten(1).sum(1).tolist())
        return out


def conv(fan_in, width, size=3, act=nn.ReLU, **more):
    more = {"padding": size // 2, "bias": False, **more}
    return nn.Sequential(nn.Conv2d(fan_in, width, size, **more), nn.BatchNorm2d(width), act(inplace=True))


class Residual(nn.Module):
    """A bottleneck with a projection, as in ResNet; before its norms in `pre`."""

    def __init__(self, fan_in, width, pre=False):
        super().__init__()
        self.pre = pre
        self.norm = nn.BatchNorm2d(fan_in)
        self.body = nn.Sequential(conv(fan_in, 4, 1), conv(4, 4), nn.Conv2d(4, width, 1), nn.BatchNorm2d(width))
        self.side = nn.Conv2d(fan_in, width, 1)

    def forward(self, x):
        if self.pre:
            x = functional.relu(self.norm(x))
            return self.side(x) + self.body(x)
        return functional.relu_(self.body(x) + self.side(x))


class Dense(nn.Module):
    def __init__(self, fan_in, growth):
        super().__init__()
        self.norm, self.conv = nn.BatchNorm2d(fan_in), nn.Conv2d(fan_in, growth, 3, padding=1)

    def forward(self, x):
        return torch.cat([x, self.conv(functional.relu(self.norm(x)))], 1)


class Fire(nn.Module):
    def __init__(self, fan_in):
        super().__init__()
        self.squeeze, self.a, self.b = conv(fan_in, 4, 1), conv(4, 5, 1), conv(4, 5)

    def forward(self, x):
        x = self.squeeze(x)
        return torch.cat([self.a(x), self.b(x)], 1)


class Shuffle(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.body = conv(width // 2, width // 2)

    def forward(self, x):
        kept, changed = x.chunk(2, dim=1)
        x = torch.cat([kept, self.body(changed)], 1)
        n, c, h, w = x.shape
        return x.view(n, 2, c // 2, h, w).transpose(1, 2).reshape(n, c, h, w)


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, width):
        super().__init__()
        self.down, self.up = nn.Conv2d(width, 3, 1), nn.Conv2d(3, width, 1)

    def forward(self, x):
        return x * self.up(functional.relu(self.down(x.mean((2, 3), keepdim=True)))).sigmoid()


class UNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.down, self.deep, self.out = conv(3, 6), conv(6, 8), nn.Conv2d(12, 2, 1)
        self.up = nn.Sequential(nn.ConvTranspose2d(8, 6, 2, stride=2), nn.ReLU())

    def forward(self, x):
        kept = self.down(x)
        return self.out(torch.cat([kept, self.up(self.deep(functional.max_pool2d(kept, 2)))], 1))


class Attention(nn.Module):
    """A transformer block, with attention written out or fused, and a squared ReLU."""

    def __init__(self, width, fused):
        super().__init__()
        self.fused, self.qkv, self.out = fused, nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.up, self.down = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)
        self.first, self.second = nn.LayerNorm(width), nn.LayerNorm(width)

    def forward(self, x):
        n, t, w = x.shape
        q, k, v = self.qkv(self.first(x)).view(n, t, 3, 2, w // 2).permute(2, 0, 3, 1, 4).unbind(0)
        if self.fused:
            mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True)
        else:
            scores = q @ k.transpose(-2, -1) / (w // 2) ** 0.5
            mixed = scores.masked_fill(torch.ones(t, t).triu(1).bool(), float("-inf")).softmax(-1) @ v
        x = x + self.out(mixed.transpose(1, 2).reshape(n, t, w))
        return x + self.down(functional.relu(self.up(self.second(x))) ** 2)


class Mixer(nn.Module):
    def __init__(self, tokens, width):
        super().__init__()
        self.a, self.b = nn.Linear(tokens, 7), nn.Linear(7, tokens)
        self.c, self.d = nn.Linear(width, 9), nn.Linear(9, width)

    def forward(self, x):
        x = x + self.b(functional.relu(self.a(x.transpose(1, 2)))).transpose(1, 2)
        return x + self.d(functional.relu(self.c(x)))


class Tokens(nn.Module):
    """Blocks on tokens, with a head on their mean."""

    def __init__(self, *blocks):
        super().__init__()
        self.embed, self.blocks, self.head = nn.Linear(5, 8), nn.Sequential(*blocks), nn.Linear(8, 3)

    def forward(self, x):
        return self.head(self.blocks(self.embed(x)).mean(1))


class Sets(nn.Module):
    def __init__(self):
        super().__init__()
        self.each, self.whole = nn.Sequential(nn.Linear(5, 8), nn.ReLU()), nn.Linear(8, 6)
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.whole(self.each(x).sum(1)).clamp(min=0))


def head(width, side=8):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 3))


IMAGES, SEQUENCES, ROWS, CHANNELS = (6, 3, 8, 8), (6, 4, 5), (30, 12), (6, 5, 16)
ZOO = {
    "perceptron": (
        ROWS,
        lambda: nn.Sequential(nn.Linear(12, 9), nn.ReLU(), nn.Linear(9, 7), nn.ReLU(), nn.Linear(7, 2)),
    ),
    "lenet": (IMAGES, lambda: nn.Sequential(conv(3, 6, 5), nn.MaxPool2d(2), conv(6, 8), head(8))),
    "vgg": (IMAGES, lambda: nn.Sequential(conv(3, 6), conv(6, 6), nn.MaxPool2d(2), conv(6, 8), head(8))),
    "alexnet": (
        IMAGES,
        lambda: nn.Sequential(conv(3, 6), nn.Dropout2d(), nn.Flatten(), nn.Linear(384, 9), nn.ReLU6(), nn.Linear(9, 2)),
    ),
    "resnet": (IMAGES, lambda: nn.Sequential(Residual(3, 8), Residual(8, 8), head(8))),
    "pre-activation resnet": (IMAGES, lambda: nn.Sequential(nn.Conv2d(3, 6, 3), Residual(6, 8, pre=True), head(8))),
    "densenet": (IMAGES, lambda: nn.Sequential(nn.Conv2d(3, 6, 3), Dense(6, 4), Dense(10, 4), head(14))),
    "squeezenet": (IMAGES, lambda: nn.Sequential(Fire(3), Fire(10), head(10))),
    "mobilenet": (
        IMAGES,
        lambda: nn.Sequential(conv(3, 8, 1, nn.ReLU6), conv(8, 8, 3, nn.ReLU6, groups=8), nn.Conv2d(8, 6, 1), head(6)),
    ),
    "shufflenet": (IMAGES, lambda: nn.Sequential(conv(3, 8), Shuffle(8), Shuffle(8), head(8))),
    "efficientnet": (IMAGES, lambda: nn.Sequential(conv(3, 8, act=nn.SiLU), Gate(8), conv(8, 6), head(6))),
    "unet": (IMAGES, UNet),
    "autoencoder": (
        IMAGES,
        lambda: nn.Sequential(nn.Conv2d(3, 6, 2, stride=2), nn.ReLU(), nn.ConvTranspose2d(6, 3, 2, stride=2)),
    ),
    "temporal convolutions": (
        CHANNELS,
        lambda: nn.Sequential(
            nn.Conv1d(5, 8, 3), nn.ReLU(), nn.Conv1d(8, 6, 3, dilation=2), nn.ReLU(), nn.Conv1d(6, 2, 1)
        ),
    ),
    "transformer, fused": (SEQUENCES, lambda: Tokens(Attention(8, True), Attention(8, True))),
    "transformer, written out": (SEQUENCES, lambda: Tokens(Attention(8, False), Attention(8, False))),
    "mixer": (SEQUENCES, lambda: Tokens(Mixer(4, 8), Mixer(4, 8))),
    "deep sets": (SEQUENCES, Sets),
}


@pytest.mark.parametrize("name", ZOO)
def test_the_monitor_equals_a_count_of_primitives(name):
    shape, build = ZOO[name]
    torch.manual_seed(0)
    model = build().eval()
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Linear, nn.Conv1d, nn.Conv2d)) and module.bias is not None:
                module.bias[: len(module.bias) // 3] -= 0.5
            if isinstance(module, nn.BatchNorm2d):
                module.bias[:2] = -9.0
    x = torch.randn(*shape)
    with torch.no_grad(), DeadUnitMonitor(model) as monitor:
        model(x)
    with torch.no_grad(), Primitive(tokens=shape is SEQUENCES) as primitive:
        model(x)
    report = monitor.report()
    assert [one.n_active.tolist() for one in report.activities] == primitive.counts
    assert not report.not_watched
    assert not report.constant_outputs
    assert all(columns.sum() < columns.size for columns in report.constant_inputs.values())
    found = audit(model, x)
    assert "Not watched" not in str(found)
    assert "outputs are the same" not in str(found)
