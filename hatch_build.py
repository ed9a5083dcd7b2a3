"""The text of the package on an index: the README without what works only in a checkout.

An index shows the README without the files beside it, so the picture and the links to other files of the checkout would
lead nowhere: pictures are left out, with the line that describes them, and links become their text.
"""

import re
from pathlib import Path

from hatchling.metadata.plugin.interface import MetadataHookInterface

__all__ = ["IndexText", "index_text"]

PICTURE = re.compile(r"^!\[[^\]]*\]\((?!https?:)[^)]*\)\n\n\*[^\n]*\*\n\n", flags=re.MULTILINE)
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((?!https?:|#|mailto:)[^)]*\)")


def index_text(readme: str) -> str:
    """Return the README as an index can show it.

    Parameters
    ----------
    readme : str
        The README, in Markdown.
    """
    return LINK.sub(r"\1", PICTURE.sub("", readme))


class IndexText(MetadataHookInterface):
    """Sets the text of the package."""

    def update(self, metadata: dict[str, object]) -> None:
        """Set `readme`."""
        text = index_text((Path(self.root) / "README.md").read_text(encoding="utf-8"))
        metadata["readme"] = {"content-type": "text/markdown", "text": text}
