"""Intercept every call of a PyTorch function while a model's forward pass runs."""

import weakref
from collections.abc import Callable
from typing import Any, Protocol

from torch.overrides import TorchFunctionMode

__all__ = ["CallInterception"]


class Interceptor(Protocol):
    """What executes the calls that are intercepted."""

    def call(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Execute a PyTorch function."""


class CallInterception(TorchFunctionMode):
    """Torch-function mode that passes every call of a PyTorch function to an interceptor, without keeping it alive."""

    def __init__(self, interceptor: Interceptor) -> None:
        super().__init__()
        self._interceptor = weakref.ref(interceptor)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        interceptor = self._interceptor()
        if interceptor is None:
            return func(*args, **(kwargs or {}))
        return interceptor.call(func, args, kwargs or {})
