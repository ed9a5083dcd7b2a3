"""The headers of the theory modules (model, assumptions, proof, source) as Markdown with typeset formulas."""

import ast
import re
from collections.abc import Callable
from pathlib import Path

import neurondeath
import neurondeath_theory
from neurondeath.paper_check.papers import PAPERS

__all__ = ["header_pages", "header_text", "modules_with_a_header", "title_of"]

ROOT = Path(str(neurondeath_theory.__file__)).parent
ROOMS = ("networks", "survival", "remedies", "gaussian_limit", "trainability")
LEAST_LINES = 3  # a shorter docstring has no model and no proof
MATH = re.compile(r"(\$\$.+?\$\$|\$[^$]+\$|``[^`]+``|`[^`]+`)", flags=re.DOTALL)
KEYS = "|".join(PAPERS)
CITED = re.compile(rf"\[(?P<alone>{KEYS})\b(?P<place>[^\]]*)\]|(?<![#\w])(?P<key>{KEYS})\b")
GREEK = "alpha|beta|chi|gamma|delta|kappa|lambda|mu|nu|phi|psi|rho|sigma|tau|theta|xi"
INDEX = r"\{[^{}]*\}|[A-Za-z0-9]+"
# formulas that the headers write as plain text within a sentence
PLAIN: tuple[tuple[str, str | Callable[[re.Match[str]], str]], ...] = (
    (r"(?<![\w\\])2\^\{[^{}]*\}", lambda found: f"${found[0]}$"),
    (r"\bR\^([nd])\b", r"$R^\1$"),
    (rf"(?<![\w\\])(?:{GREEK})_(?:{INDEX})(?:\^\d)?(?!\w)", lambda found: f"$\\{_subscripts(found[0])}$"),
    (
        r"(?<![\w\\.])([A-Za-z])_([a-z]\w?|\d|[a-z]-1|\{[^{}]*\})(?:\^(\d))?(?![\w^])",
        lambda found: f"${_subscripts(found[0])}$",
    ),
    (r"(?<![\w\\])(q|rho)\*(?!\*)", lambda found: f"${_letter(found[1])}^*$"),
    (r"(?<![\w\\-])sigma_([wb])2\b", r"$\\sigma_\1^2$"),
    (rf"(?<![\w\\$-])({GREEK})(?![\w-])", r"$\\\1$"),
    (r"(?<= )<=(?= )", "≤"),
    (r"(?<= )>=(?= )", "≥"),
    (r"(?<= )->(?= )", "→"),
    (r"(?<= )\+-(?= )", "±"),
    (r"(?<=\w) x (?=\d)|(?<=\d) x (?=\w)", " \N{MULTIPLICATION SIGN} "),
)


def modules_with_a_header() -> list[str]:
    """Return the modules of the theory that state a model, as `survival.bounds`."""
    return [
        f"{room}.{path.stem}"
        for room in ROOMS
        for path in sorted((ROOT / room).glob("*.py"))
        if len(_docstring(path).splitlines()) >= LEAST_LINES
    ]


def header_pages() -> dict[str, str]:
    """Return the headers as files to include: path below `docs/generated` -> text."""
    return {f"headers/{module}.md": header_text(module) for module in modules_with_a_header()}


def title_of(module: str) -> str:
    """Return the first sentence of a header."""
    return _docstring(_path(module)).partition("\n\n")[0].replace("\n", " ")


def header_text(module: str) -> str:
    """Return the header of a module as Markdown, its first sentence in bold."""
    title, _, body = _docstring(_path(module)).partition("\n\n")
    head = _prose(" ".join(title.split()).removesuffix("."))
    source = f"neurondeath_theory.{module}"
    return f"**{head}** (`{source}`)\n\n{_displayed(_paragraphs(body))}\n"


def _path(module: str) -> Path:
    return ROOT / (module.replace(".", "/") + ".py")


def _docstring(path: Path) -> str:
    return ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""


def _paragraphs(text: str) -> str:
    """Typeset what stands outside formulas, code and indented blocks."""
    parts = MATH.split(text)
    for index, part in enumerate(parts):
        if index % 2 == 0:
            parts[index] = _prose(part)
        elif part.startswith("`"):
            parts[index] = _reference(part)
    return "".join(parts)


def _prose(text: str) -> str:
    parts = MATH.split(text)
    for index in range(0, len(parts), 2):
        parts[index] = _plain_formulas(CITED.sub(_citation, parts[index]))
    return "".join(parts)


def _citation(found: re.Match[str]) -> str:
    """Link the key of a paper; one in brackets of its own gets round ones."""
    if found["alone"]:
        return f"([{found['alone']}](#{found['alone']}){found['place']})"
    return f"[{found['key']}](#{found['key']})"


def _plain_formulas(text: str) -> str:
    for pattern, replacement in PLAIN:
        pieces = MATH.split(text)
        for index in range(0, len(pieces), 2):
            pieces[index] = re.sub(pattern, replacement, pieces[index])
        text = "".join(pieces)
    return text


def _subscripts(text: str) -> str:
    """Put an index of several characters in braces."""
    return re.sub(r"_([A-Za-z0-9-]{2,})", r"_{\1}", text)


def _letter(name: str) -> str:
    return name if len(name) == 1 else f"\\{name}"


def _reference(code: str) -> str:
    """Turn the name of something public, in backticks, into a link to it."""
    name = code.strip("`").removesuffix("()")
    if name in PAPERS:
        return f"[{name}](#{name})"
    return f"{{py:obj}}`{name} <neurondeath.{name}>`" if name in neurondeath.__all__ else code


def _displayed(text: str) -> str:
    """Put displayed formulas on lines of their own, as Markdown needs."""

    def block(found: re.Match[str]) -> str:
        indentation, formula = found[1], " ".join(found[2].split())
        return f"\n{indentation}$$\n{indentation}{formula}\n{indentation}$$\n{indentation}"

    return re.sub(r"^([ ]*)\$\$(.+?)\$\$", block, text, flags=re.DOTALL | re.MULTILINE)
