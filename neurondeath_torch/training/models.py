"""Models of the experiments: perceptron, plain convolutions, LeNet, VGG-like, small ResNet, small transformer.

Every hidden layer is followed by a module of the chosen activation, so that a monitor finds it; every model takes
images of shape (n, channels, rows, columns) and returns logits of shape (n, n_classes).
"""

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias, cast, get_args

import torch
import torch.nn.functional as F  # noqa: N812 - its usual name
from torch import Tensor, nn

from neurondeath_theory.foundation.validation import check_choice, check_count, check_widths, invalid

__all__ = [
    "MODELS",
    "ResidualBlock",
    "VisionTransformer",
    "hidden_widths",
    "lenet",
    "perceptron",
    "plain_convolutions",
    "residual_network",
    "vgg",
]

Activation: TypeAlias = Callable[[], nn.Module]
Shape: TypeAlias = tuple[int, int, int]
Padding: TypeAlias = Literal["circular", "zeros"]

LENET_MIN_SIDE = 12  # smallest image side for LeNet's two convolutions and poolings
RESIDUAL_STAGES = 3


def perceptron(
    shape: Shape,
    n_classes: int,
    activation: Activation = nn.ReLU,
    *,
    widths: Sequence[int] | None = None,
    width: int = 128,
    depth: int = 2,
    batch_norm: bool = False,
) -> nn.Sequential:
    """Build a multilayer perceptron.

    Parameters
    ----------
    shape : tuple of int
        Channels, rows, columns of an image.
    n_classes : int
        Number of logits.
    activation : callable
        Builds the module after every hidden layer.
    widths : sequence of int, optional
        Hidden widths; by default `depth` layers of one `width`.
    width : int
        Width of every hidden layer.
    depth : int
        Number of hidden layers.
    batch_norm : bool
        Whether to normalise before every activation.

    Returns
    -------
    nn.Sequential
        The network, in PyTorch's default initialisation.

    Examples
    --------
    >>> perceptron((1, 8, 8), 10, widths=[5])(torch.zeros(2, 1, 8, 8)).shape
    torch.Size([2, 10])
    """
    layers: list[nn.Module] = [nn.Flatten()]
    fan_in = shape[0] * shape[1] * shape[2]
    for n_units in hidden_widths(widths=widths, width=width, depth=depth):
        layers.append(nn.Linear(fan_in, n_units))
        layers.extend([nn.BatchNorm1d(n_units)] if batch_norm else [])
        layers.append(activation())
        fan_in = n_units
    return nn.Sequential(*layers, nn.Linear(fan_in, check_count("n_classes", n_classes)))


def hidden_widths(*, widths: Sequence[int] | None = None, width: int = 128, depth: int = 2) -> tuple[int, ...]:
    """Return the hidden widths of a perceptron from its keywords.

    Examples
    --------
    >>> hidden_widths(depth=3), hidden_widths(widths=[4, 5], width=9)
    ((128, 128, 128), (4, 5))
    """
    if widths is None:
        return (check_count("width", width),) * check_count("depth", depth)
    return tuple(check_widths("widths", widths).tolist())


def plain_convolutions(
    shape: Shape,
    n_classes: int,
    activation: Activation = nn.ReLU,
    *,
    width: int = 32,
    depth: int = 10,
    patch: int = 1,
    padding: Padding = "circular",
) -> nn.Sequential:
    """Build a deep plain chain of 3 x 3 convolutions of one width and one image size.

    Parameters
    ----------
    shape, n_classes, activation
        As in `perceptron`.
    width : int
        Channels of every layer.
    depth : int
        Number of hidden layers.
    patch : int
        Side of the disjoint patches that the first layer reads; divides the image's sides. With 1 the first layer is a
        3 x 3 convolution like the others.
    padding : {"circular", "zeros"}
        Padding of the image. Circular padding treats all positions alike, as the theory of wide networks assumes.

    Returns
    -------
    nn.Sequential
        The network; its last layer reads all positions.
    """
    width, depth, patch = check_count("width", width), check_count("depth", depth), check_count("patch", patch)
    check_choice("padding", padding, get_args(Padding))
    channels, rows, columns = _patched(shape, patch)
    first = nn.Conv2d(channels, width, 3, padding=1, padding_mode=padding)
    if patch > 1:
        first = nn.Conv2d(channels, width, patch, stride=patch)
    layers: list[nn.Module] = [first, activation()]
    for _ in range(depth - 1):
        layers.extend([nn.Conv2d(width, width, 3, padding=1, padding_mode=padding), activation()])
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * rows * columns, check_count("n_classes", n_classes)))


def lenet(
    shape: Shape, n_classes: int, activation: Activation = nn.ReLU, *, width: int = 6, batch_norm: bool = False
) -> nn.Sequential:
    """Build LeNet-5 in its common modern form: two 5 x 5 convolutions with pooling, two hidden linear layers.

    Parameters
    ----------
    shape, n_classes, activation
        As in `perceptron`.
    batch_norm : bool
        Whether to normalise before every activation.
    width : int
        Channels of the first convolution; the second has 8/3 times as many, the linear layers 20 and 14 times.

    Returns
    -------
    nn.Sequential
        The network.
    """
    width = check_count("width", width)
    channels, rows, columns = shape
    if min(rows, columns) < LENET_MIN_SIDE:
        rule = f"be at least {LENET_MIN_SIDE} x {LENET_MIN_SIDE} for lenet"
        raise invalid("images", rule, f"{rows} x {columns}", "take a perceptron or a residual network")
    second = round(width * 8 / 3)

    def convolution(n_in: int, n_out: int, padding: int) -> list[nn.Module]:
        norm = [nn.BatchNorm2d(n_out)] if batch_norm else []
        return [nn.Conv2d(n_in, n_out, 5, padding=padding), *norm, activation(), nn.MaxPool2d(2)]

    def linear(n_in: int, n_out: int) -> list[nn.Module]:
        return [nn.Linear(n_in, n_out), *([nn.BatchNorm1d(n_out)] if batch_norm else []), activation()]

    flat = second * ((rows // 2 - 4) // 2) * ((columns // 2 - 4) // 2)
    return nn.Sequential(
        *convolution(channels, width, 2),
        *convolution(width, second, 0),
        nn.Flatten(),
        *linear(flat, 20 * width),
        *linear(20 * width, 14 * width),
        nn.Linear(14 * width, check_count("n_classes", n_classes)),
    )


def vgg(
    shape: Shape,
    n_classes: int,
    activation: Activation = nn.ReLU,
    *,
    widths: Sequence[int] = (32, 32, 64, 64, 128, 128),
    batch_norm: bool = True,
) -> nn.Sequential:
    """Build a deep convolutional network: 3 x 3 convolutions, pooling after every second one, global mean at the end.

    Parameters
    ----------
    shape, n_classes, activation
        As in `perceptron`.
    batch_norm : bool
        Whether to normalise before every activation.
    widths : sequence of int
        Channels of the convolutions.

    Returns
    -------
    nn.Sequential
        The network; pooling stops where an image side would become smaller than 2.
    """
    layers: list[nn.Module] = []
    fan_in, rows, columns = shape
    for number, width in enumerate(check_widths("widths", widths).tolist(), start=1):
        layers.append(nn.Conv2d(fan_in, width, 3, padding=1, bias=not batch_norm))
        layers.extend([nn.BatchNorm2d(width)] if batch_norm else [])
        layers.append(activation())
        if number % 2 == 0 and min(rows, columns) >= 4:
            layers.append(nn.MaxPool2d(2))
            rows, columns = rows // 2, columns // 2
        fan_in = width
    head = nn.Linear(fan_in, check_count("n_classes", n_classes))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


class ResidualBlock(nn.Module):
    """Two 3 x 3 convolutions with a shortcut around them; the activation follows the sum.

    Parameters
    ----------
    n_in, n_out : int
        Channels before and after.
    stride : int
        Stride of the first convolution; if it is not 1 or the channels change, the shortcut is a 1 x 1 convolution.
    activation : callable
        Builds the activation modules.
    batch_norm : bool
        Whether to normalise after every convolution.
    """

    def __init__(self, n_in: int, n_out: int, stride: int, activation: Activation, batch_norm: bool) -> None:
        super().__init__()

        def convolution(fan_in: int, kernel: int, step: int) -> nn.Sequential:
            layer = nn.Conv2d(fan_in, n_out, kernel, stride=step, padding=kernel // 2, bias=not batch_norm)
            return nn.Sequential(layer, *([nn.BatchNorm2d(n_out)] if batch_norm else []))

        self.first = convolution(n_in, 3, stride)
        self.inner = activation()
        self.second = convolution(n_out, 3, 1)
        carried = stride == 1 and n_in == n_out
        self.shortcut = nn.Identity() if carried else convolution(n_in, 1, stride)
        self.outer = activation()

    def forward(self, x: Tensor) -> Tensor:
        """Compute phi(shortcut(x) + second(phi(first(x))))."""
        return cast(Tensor, self.outer(self.shortcut(x) + self.second(self.inner(self.first(x)))))


def residual_network(
    shape: Shape,
    n_classes: int,
    activation: Activation = nn.ReLU,
    *,
    width: int = 16,
    blocks: int = 1,
    batch_norm: bool = True,
) -> nn.Sequential:
    """Build a small residual network as for CIFAR-10: three stages of blocks, each with twice the channels.

    Parameters
    ----------
    shape, n_classes, activation
        As in `perceptron`.
    batch_norm : bool
        Whether to normalise before every activation.
    width : int
        Channels of the first stage.
    blocks : int
        Blocks per stage; the network has 6 blocks + 2 layers.

    Returns
    -------
    nn.Sequential
        The network.
    """
    width, blocks = check_count("width", width), check_count("blocks", blocks)
    layers: list[nn.Module] = [nn.Conv2d(shape[0], width, 3, padding=1, bias=not batch_norm)]
    layers.extend([nn.BatchNorm2d(width)] if batch_norm else [])
    layers.append(activation())
    channels = width
    for stage in range(RESIDUAL_STAGES):
        for block in range(blocks):
            stride = 2 if stage > 0 and block == 0 else 1
            layers.append(ResidualBlock(channels, width * 2**stage, stride, activation, batch_norm))
            channels = width * 2**stage
    head = nn.Linear(channels, check_count("n_classes", n_classes))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), head)


class TransformerBlock(nn.Module):
    """Self-attention and a two-layer perceptron, each after a layer norm, on a residual stream."""

    def __init__(self, width: int, heads: int, hidden: int, activation: Activation) -> None:
        super().__init__()
        self.heads = heads
        self.attention_norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.hidden_norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, hidden)
        self.activation = activation()
        self.output = nn.Linear(hidden, width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream after the block; x has shape (n, tokens, width)."""
        n, tokens, width = x.shape
        mixed = self.queries_keys_values(self.attention_norm(x))
        parts = mixed.view(n, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(parts[0], parts[1], parts[2])
        x = x + self.projection(attended.transpose(1, 2).reshape(n, tokens, width))
        return x + cast(Tensor, self.output(self.activation(self.hidden(self.hidden_norm(x)))))


class VisionTransformer(nn.Module):
    """A small vision transformer with rectifiers in its perceptrons and a mean over tokens at the end.

    Parameters
    ----------
    shape, n_classes, activation
        As in `perceptron`.
    patch : int
        Side of a patch; divides the image's sides.
    width : int
        Width of a token; a multiple of `heads`.
    depth : int
        Number of blocks.
    heads : int
        Number of attention heads.
    hidden : int
        Units of each perceptron; these are the ones that can die.
    """

    def __init__(
        self,
        shape: Shape,
        n_classes: int,
        activation: Activation = nn.ReLU,
        *,
        patch: int = 4,
        width: int = 64,
        depth: int = 4,
        heads: int = 4,
        hidden: int = 128,
    ) -> None:
        super().__init__()
        patch, width, heads = check_count("patch", patch), check_count("width", width), check_count("heads", heads)
        channels, rows, columns = _patched(shape, patch)
        if width % heads:
            raise invalid("width", f"be a multiple of heads, {heads}", width)
        self.patches = nn.Conv2d(channels, width, patch, stride=patch)
        self.position = nn.Parameter(torch.randn(1, rows * columns, width) * 0.02)
        hidden, depth = check_count("hidden", hidden), check_count("depth", depth)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads, hidden, activation) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, check_count("n_classes", n_classes))

    def forward(self, images: Tensor) -> Tensor:
        """Return the logits of images."""
        tokens = self.patches(images).flatten(2).transpose(1, 2) + self.position
        return cast(Tensor, self.head(self.norm(self.blocks(tokens)).mean(dim=1)))


def _patched(shape: Shape, patch: int) -> Shape:
    """Return the channels of an image and the rows and columns of its patches."""
    channels, rows, columns = shape
    if rows % patch or columns % patch:
        raise invalid("patch", f"divide the image's sides, {rows} and {columns}", patch)
    return channels, rows // patch, columns // patch


# kind in a configuration: its builder
MODELS: dict[str, Callable[..., nn.Module]] = {
    "mlp": perceptron,
    "cnn": plain_convolutions,
    "lenet": lenet,
    "vgg": vgg,
    "resnet": residual_network,
    "vit": VisionTransformer,
}
