"""Check the language of the project: the words that docs/word-list.md has given up stand in no text of ours.

A text is a docstring, a comment, a message in a string, or a line of a Markdown or TOML file. Names that need a
comment to be understood are refused too. Prints each place; exit code 1 if there is one.
"""

import ast
import io
import re
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SKIPPED = {".venv", ".git", "build", "dist", "demo", "__pycache__", "_build", "generated"}
SKIPPED_FILES = {"docs/word-list.md", ".ci/words.py", "CHANGELOG.md", "LICENSE"}

OPENINGS = re.compile(r"(?:Give|Gives|Hold|Holds|Say|Says|Tell|Tells|Note|Notes|Word)\s+(?!-)[a-z`'\"]")
UNITS = "layer|unit|trial|task|shard|point|network|run|seed|epoch|step|batch|activation|weight|row|column|series"
UNITS += "|chain|population|pair|claim|figure|file|line|second|paper|package|thread|core|worker|neuron|image|study"
UNITS += "|normal|test"
COUNTED = r"entry|entries|rows?|columns?|lines?|numbers?|seconds?|minutes?|hours?|ms|microseconds?|nanoseconds?|bytes?"
COUNTED += r"|MB|GB|times|once|points|weights|blocks|words|trials|networks|normals|values?|cost|costs|panels?|tables?"
COUNTED += r"|tests?|files?|folders?|modules?|functions?|curves?|records?|colours?|passes|units|layers|shards|draws?"
PHRASES = {
    "per, not a": re.compile(rf"\b(?:(?:{COUNTED}|one|two|many|\d[\d.,e-]*) an? (?:{UNITS}))\b"),
    "anew": re.compile(r"\banew\b", re.I),
    "told": re.compile(r"\btold\b", re.I),
    "hold against": re.compile(r"\b(?:hold|holds|held|holding)\b[^.;:]{0,60}?\bagainst\b", re.I | re.S),
    "hang on": re.compile(r"\bhang(?:s|ing)? on\b|\bhung on\b", re.I),
    "at one stroke": re.compile(r"\bat one stroke\b", re.I),
    "as ever": re.compile(r"\bas ever\b", re.I),
    "at the mercy of": re.compile(r"\bat the mercy\b", re.I),
}
NAMES = {"EXACT", "DOUBLE", "NOTHING", "SAME", "KNOWN", "GIVEN", "USUAL", "CLEAR", "WORK", "CHUNK", "ROUNDING"}
NAMES |= {"judged", "odd", "_fly_pilots"}


def main() -> int:
    """Check every file and report."""
    found = [place for path in sorted(files()) for place in places(path)]
    for place in found:
        print(place)
    print(f"{len(found)} places in words or names that the project has given up (docs/word-list.md)", file=sys.stderr)
    return 1 if found else 0


def files() -> Iterator[Path]:
    """List the texts of the project, each by its real path."""
    for path in ROOT.rglob("*"):
        relative = path.relative_to(ROOT)
        if SKIPPED & set(relative.parts) or str(relative) in SKIPPED_FILES or path.is_symlink():
            continue
        if any(parent.is_symlink() for parent in path.parents if ROOT in parent.parents):
            continue
        if path.suffix in (".py", ".pyi", ".md", ".toml") and path.is_file():
            yield path


def places(path: Path) -> Iterator[str]:
    """Report what a file says in words that were given up."""
    source = path.read_text(encoding="utf-8")
    name = path.relative_to(ROOT)
    if path.suffix not in (".py", ".pyi"):
        for line, text in enumerate(source.splitlines(), 1):
            for word in phrases(text):
                yield f"{name}:{line}: {word}: {text.strip()[:90]}"
        return
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    for node in ast.walk(tree):
        if isinstance(node, documented) and (text := ast.get_docstring(node)) and OPENINGS.match(text):
            line = node.body[0].lineno
            yield f"{name}:{line}: first word: {text.splitlines()[0][:90]}"
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            for word in phrases(" ".join(node.value.split())):
                yield f"{name}:{node.lineno}: {word}: {' '.join(node.value.split())[:90]}"
        for given_up in identifiers(node) & NAMES:
            yield f"{name}:{node.lineno}: name: {given_up}"
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            for word in phrases(token.string):
                yield f"{name}:{token.start[0]}: {word}: {token.string[:90]}"


def phrases(text: str) -> Iterator[str]:
    """Name the phrases of the list that a text contains."""
    for word, pattern in PHRASES.items():
        for match in pattern.finditer(text):
            yield f"{word} ({match.group(0)!r})"


def identifiers(node: ast.AST) -> set[str]:
    """Name what a node defines or assigns."""
    if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.arg)):
        return {node.arg if isinstance(node, ast.arg) else node.name}
    if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        return {node.id}
    return set()


if __name__ == "__main__":
    sys.exit(main())
