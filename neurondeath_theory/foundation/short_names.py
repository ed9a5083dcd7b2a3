"""Let `import simulations` work at the root of a checkout without loading a file under two names.

The folders `simulations`, `figures` and `paper_check` stand at the top of the repository; their modules belong to
`neurondeath`. Whoever imports one by its short name gets the module of the long name, the same object, submodules too.
An installed package has no short names: they are the user's own.
"""

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

__all__ = ["stand_for"]


class _LongName(Loader):
    """Load a module by importing it under its long name."""

    def __init__(self, long_name: str) -> None:
        self.long_name = long_name
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        module = import_module(self.long_name)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self.spec  # the import system has just written the short name's over it


class _ShortNames(MetaPathFinder):
    """Find the submodules of a short name under the long one."""

    def __init__(self, short: str, long: str) -> None:
        self.short, self.long = short, long

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith(f"{self.short}.") or fullname.endswith(".__main__"):
            return None
        return ModuleSpec(fullname, _LongName(self.long + fullname[len(self.short) :]))


def stand_for(short: str, long: str) -> None:
    """Make the package `short`, which is being imported, the package `long`.

    Parameters
    ----------
    short, long : str
        Names of one package, as `simulations` and `neurondeath.simulations`.
    """
    sys.meta_path.insert(0, _ShortNames(short, long))
    sys.modules[short] = import_module(long)
