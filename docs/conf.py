"""Settings of the documentation site; `make docs` builds it into `docs/_build/html` without a network."""

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # the generators of pages, and the renderer of formulas

from generators.docstring_markup import marked_up  # noqa: E402 - they are found by the path above
from generators.gallery_page import sources_digest  # noqa: E402
from generators.writing import write_pages  # noqa: E402

from neurondeath_theory.foundation.version import __version__  # noqa: E402

project = "neurondeath"
author = "The neurondeath authors"
copyright = f"2026, {author}"
version = release = __version__

extensions = [
    "myst_nb",  # Markdown pages and notebooks, which are executed
    "sphinx.ext.autodoc",  # the Python reference
    "numpydoc",  # its docstrings
    "sphinx_design",  # cards and dropdowns
    "generators.mathml",  # formulas without a script
]
exclude_patterns = ["_build", "generated/headers", "generated/parts", "generated/gallery/pictures", "generators"]
default_role = "py:obj"  # a name in backticks is a link where it is public, otherwise code
language = "en"
smartquotes = False  # V' is a derivative
nitpicky = False  # names in backticks may be private

myst_enable_extensions = ["colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
nb_execution_mode = "cache"  # a notebook is executed again when it has changed, or the project has
nb_execution_cache_path = str(HERE / "_build" / f"notebooks-{sources_digest()[:12]}")
nb_execution_timeout = 300
nb_execution_raise_on_error = True
nb_execution_show_tb = True
nb_merge_streams = True
nb_output_stderr = "remove"  # progress

autodoc_typehints = "none"  # types stand in the docstrings, in words
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False
numpydoc_attributes_as_param_list = True

html_theme = "pydata_sphinx_theme"
html_title = f"neurondeath {release}"
html_static_path = ["_static"]
html_css_files = ["neurondeath.css"]
html_math_renderer = "mathml"
html_context = {"default_mode": "auto"}  # without it the theme reports an error on a first visit
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "show_prev_next": True,
    "navigation_with_keys": False,
    "navbar_align": "left",
    "show_toc_level": 2,
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "pygments_light_style": "tango",
    "pygments_dark_style": "monokai",
}
html_sidebars = {"index": [], "getting-started": [], "results": [], "tasks": [], "generated/gallery/**": []}


def _mark_up(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    lines[:] = marked_up(lines)


def setup(app: Any) -> None:
    """Write the generated pages, and read docstrings in the words of the project."""
    app.connect("builder-inited", lambda app: write_pages(HERE / "generated"))
    app.connect("autodoc-process-docstring", _mark_up, priority=400)  # before numpydoc
