"""An import contract of our own: what starts with an underscore is imported inside its own package only."""

import ast
import importlib.util
from pathlib import Path

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

__all__ = ["PrivateContract"]


class PrivateContract(Contract):
    """Refuse `from x._y import z`, `from x import _y` and `import x._y` outside x, relative imports included."""

    packages = fields.ListField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """Read the imports of every module of the packages."""
        offences = [
            offence
            for module in sorted(graph.modules)
            if module.partition(".")[0] in self.packages
            for offence in _offences(module, self.packages)
        ]
        return ContractCheck(kept=not offences, metadata={"offences": offences})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the offences."""
        for offence in check.metadata["offences"]:
            output.print_error(offence)


def _offences(module: str, packages: list[str]) -> list[str]:
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None:
        return []
    path = Path(spec.origin)
    package = module if path.stem == "__init__" else module.rpartition(".")[0]
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) + 1 - node.level] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            names = [f"{base}.{alias.name}" for alias in node.names]
        for name in names:
            owner = _owner(name) if name.partition(".")[0] in packages else None
            if owner is not None and not f"{package}.".startswith(f"{owner}."):
                found.append(f"{module}:{node.lineno} imports {name}, which is private to {owner}")
    return found


def _owner(name: str) -> str | None:
    """Return the package to which the private part of a dotted name belongs; None where nothing in it is private."""
    parts = name.split(".")
    for place, part in enumerate(parts):
        if part.startswith("_") and not part.endswith("__"):
            return ".".join(parts[:place])
    return None
