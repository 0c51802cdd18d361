"""How Sphinx builds the site: the pages are Markdown, the reference is generated (`_ext`)."""

from __future__ import annotations

import sys
from pathlib import Path

_HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(_HERE / "_ext"), str(_HERE.parent)]

import jaccli  # noqa: E402

project = "jaccli"
author = "The jaccli authors"
version = release = jaccli.__version__

extensions = ["myst_parser", "repository_links", "generated_reference"]
myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence"]
exclude_patterns = ["_build", "_ext"]
nitpicky = True
smartquotes = False  # `--vector` is no dash

html_theme = "furo"
html_title = f"jaccli {version}"
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
