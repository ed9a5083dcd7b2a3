"""Data of models that read tokens, such as language models: numbers of words, random or from a file."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from neurondeath_theory.foundation.array_files import MOST_ENTRIES
from neurondeath_theory.foundation.number_text import whole_number
from neurondeath_theory.foundation.validation import invalid

__all__ = ["TOKENS", "as_tokens", "random_tokens", "token_batch", "vocabulary"]

TOKENS = "tokens"  # kind of a specification, as in tokens:64
LENGTH = 16  # of a sequence, by default


def vocabulary(model: nn.Module) -> int | None:
    """Return the number of tokens that a model knows; None if its first module with parameters is no embedding."""
    for module in model.modules():
        if next(module.parameters(recurse=False), None) is not None:
            return module.num_embeddings if isinstance(module, nn.Embedding) else None
    return None


def random_tokens(spec: str, known: int | None, shape: tuple[int, ...] | None, seed: int) -> torch.Tensor:
    """Draw the sequences of "tokens:M", uniformly; their length is the shape of a point, by default 16.

    Raises
    ------
    InvalidArgumentError
        If the model reads no tokens, or M or the length is out of its domain.
    """
    if known is None:
        raise invalid("--data", "be of numbers: the model does not begin with an embedding of tokens", spec)
    count = whole_number(spec.partition(":")[2])
    if count is None or count < 1:
        raise invalid("--data", "end in a whole number of points of at least 1", spec)
    length = shape or (LENGTH,)
    if count * int(np.prod(length, dtype=object)) > MOST_ENTRIES:
        raise invalid("--data", f"hold at most {MOST_ENTRIES} numbers", spec)
    return torch.randint(known, (count, *length), generator=torch.Generator().manual_seed(seed))


def as_tokens(spec: str, points: npt.NDArray[np.float64], known: int) -> torch.Tensor:
    """Return points as tokens.

    Raises
    ------
    InvalidArgumentError
        If they are no whole numbers from 0 to the last token that the model knows.
    """
    if (points != np.floor(points)).any() or points.min() < 0 or points.max() >= known:
        raise invalid("--data", f"hold tokens from 0 to {known - 1}", spec, "tokens:M draws some")
    return torch.from_numpy(points.astype(np.int64))


def token_batch(model: nn.Module, tokens: torch.Tensor) -> Any:
    """Return tokens as a model takes them: an encoder-decoder model of transformers reads them on both sides."""
    if getattr(getattr(model, "config", None), "is_encoder_decoder", False):
        return {"input_ids": tokens, "decoder_input_ids": tokens}
    return tokens
