"""What is imported only when first used, so that no command pays for what it does not need."""

import ast
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from neurondeath_theory.foundation.errors import MissingExtraError

__all__ = ["import_or_explain", "lazy_exports"]

# optional dependency: (what it is called, the extra that brings it)
EXTRAS = {
    "torch": ("PyTorch", "torch"),
    "torch_pruning": ("Torch-Pruning", "torch"),
    "distributed": ("Dask", "distributed"),
    "dask": ("Dask", "distributed"),
    "onnxruntime": ("ONNX Runtime", "onnx"),
    "pandas": ("pandas", "dataframe"),
    "pyarrow": ("PyArrow", "dataframe"),
}
# packages of others that some tools work with: what pip calls them
PACKAGES = {name: name for name in ("lightning", "onnx", "tensorboard", "timm", "torchvision", "transformers", "wandb")}
PACKAGES["pytorch_lightning"] = "lightning"


def import_or_explain(module: str) -> ModuleType:
    """Import a module; an optional dependency that is missing becomes one line that says how to get it.

    Raises
    ------
    MissingExtraError
        If the module needs an extra that is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing in PACKAGES:
            remedy = f"pip install {PACKAGES[missing]}"
            raise MissingExtraError(f"{PACKAGES[missing]} is needed, which is not installed; {remedy}") from None
        if missing not in EXTRAS:
            raise
        name, extra = EXTRAS[missing]
        raise MissingExtraError(
            f"`{module}` needs {name}, which is not installed; pip install 'neurondeath[{extra}]'"
        ) from None


def lazy_exports(package: str, file: str) -> tuple[Callable[[str], Any], Callable[[], list[str]], list[str]]:
    """Build a package's `__getattr__`, `__dir__` and `__all__` from the stub beside its `__init__`.

    Parameters
    ----------
    package, file : str
        `__name__` and `__file__` of the package. The stub, `__init__.pyi`, names each public name once, as
        `from module import name as name`.

    Returns
    -------
    callable, callable, list of str
        What the package calls `__getattr__`, `__dir__` and `__all__`.
    """
    homes = {
        alias.name: statement.module or ""
        for statement in ast.parse(Path(file).with_suffix(".pyi").read_text(encoding="utf-8")).body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }

    def __getattr__(name: str) -> Any:  # noqa: N807 - it becomes the package's own
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_or_explain(homes[name]), name)

    def __dir__() -> list[str]:  # noqa: N807
        return sorted(homes)

    return __getattr__, __dir__, sorted(homes)
