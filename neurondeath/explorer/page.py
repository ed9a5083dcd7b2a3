"""The page: one document with its style and script inline, and the policy that lets a browser run these two only."""

import base64
import hashlib
from functools import cache
from importlib.resources import files

__all__ = ["page"]

STYLE, SCRIPT = "/*STYLE*/", "/*SCRIPT*/"


@cache
def page() -> tuple[bytes, str]:
    """Return the document, and its content security policy.

    Examples
    --------
    >>> document, policy = page()
    >>> document.startswith(b"<!DOCTYPE html>"), "unsafe" in policy
    (True, False)
    """
    folder = files("neurondeath.explorer").joinpath("page_parts")
    document, style, script = (
        folder.joinpath(name).read_text(encoding="utf-8") for name in ("page.html", "page.css", "page.js")
    )
    policy = {
        "default-src": "'none'",
        "script-src": _digest(script),
        "style-src": _digest(style),
        "connect-src": "'self'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }
    whole = document.replace(STYLE, style).replace(SCRIPT, script)
    return whole.encode("utf-8"), "; ".join(f"{name} {value}" for name, value in policy.items())


def _digest(text: str) -> str:
    """Return the source expression of an inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode('utf-8')).digest()).decode('ascii')}'"
