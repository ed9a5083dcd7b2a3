"""Citations as BibTeX: for a claim or a function the papers that its documentation names, and for the project."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

from neurondeath.paper_check.claims import packaged_claims
from neurondeath.paper_check.papers import PAPERS
from neurondeath_theory.foundation.validation import check_instance, invalid
from neurondeath_theory.foundation.version import __version__

__all__ = ["cite"]

PACKAGES = (
    "neurondeath_theory",
    "neurondeath.simulations",
    "neurondeath.figures",
    "neurondeath_torch",
    "neurondeath.paper_check",
)
PROJECT = "neurondeath"
PREFIX = re.compile(r"^(nd|neurondeath|neurondeath_\w+|simulations|figures|paper_check)\.([\w.]+\.)?")


def cite(name: str) -> str:
    """Return the BibTeX entries of the papers behind a claim or a function.

    Parameters
    ----------
    name : str
        The key of a paper, the id of a claim, a public function or class of the project, or "neurondeath" for the
        project itself.

    Returns
    -------
    str
        One or more entries, separated by empty lines.

    Raises
    ------
    InvalidArgumentError
        If nothing has that name, or its documentation names no paper.

    Notes
    -----
    A function is read, not imported: the papers are those its docstring names, or else its module's.

    Examples
    --------
    >>> print(cite("R1"))
    @misc{rister2020,
      title = {Probabilistic bounds on neuron death in deep rectifier networks},
      author = {Rister, Blaine and Rubin, Daniel L.},
      year = {2020},
      eprint = {2007.06192},
      archivePrefix = {arXiv}
    }
    >>> cite("rai_constant").splitlines()[0]
    '@article{lu2019,'
    """
    wanted = check_instance("name", name, str, "a text").strip()
    if wanted == PROJECT:
        return _project_entry()
    if wanted in PAPERS:
        return PAPERS[wanted].bibtex
    papers = {claim.id.lower(): claim.paper for claim in packaged_claims()}
    if wanted.lower() in papers:
        return PAPERS[papers[wanted.lower()]].bibtex
    texts = _documentation(PREFIX.sub("", wanted))
    if not texts:
        rule = "be the key of a paper, the id of a claim, or a public function or class"
        raise invalid("name", rule, name, f"papers: {', '.join(PAPERS)}; the project: {PROJECT}")
    for text in texts:
        keys = [key for key in PAPERS if re.search(rf"\b{key}\b", text)]
        if keys:
            return "\n\n".join(PAPERS[key].bibtex for key in keys)
    raise invalid("name", "have a paper behind it", name, f"cite the project itself: {PROJECT}")


def _project_entry() -> str:
    """Return the BibTeX entry of the installed version of the project."""
    fields = {
        "title": "neurondeath: survival and training of rectifier networks at initialisation",
        "author": "{The neurondeath authors}",
        "note": f"Version {__version__}",
        "license": "BSD-3-Clause",
    }
    return "@software{neurondeath,\n" + ",\n".join(f"  {name} = {{{value}}}" for name, value in fields.items()) + "\n}"


def _documentation(name: str) -> list[str]:
    """Return the docstrings of a public name and of the module that defines it."""
    if not name.isidentifier() or name.startswith("_"):
        return []
    for package in PACKAGES:
        spec = find_spec(package)
        folders = [] if spec is None else list(spec.submodule_search_locations or [])
        for file in (file for folder in folders for file in sorted(Path(folder).rglob("*.py"))):
            source = file.read_text(encoding="utf-8")
            if not re.search(rf"^(async def|def|class) {name}\b", source, re.MULTILINE):
                continue
            tree = ast.parse(source)
            for node in tree.body:
                if isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name:
                    return [ast.get_docstring(node) or "", ast.get_docstring(tree) or ""]
    return []
