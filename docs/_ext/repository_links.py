"""Links of the pages that leave `docs/` lead to the same place on the site.

On a page, `../configs/polar.yaml` is a link that works where the repository is browsed.  For the
site a file becomes a download, which MyST does by itself; a folder, and a page of the repository
that is generated into `_generated`, is replaced here, before the page is parsed.
"""

from __future__ import annotations

import re
from typing import Any

REPLACED = {
    "../configs": "gallery.md",
    "../CONTRIBUTING.md": "_generated/contributing.md",
    "../CHANGELOG.md": "_generated/changelog.md",
    "examples": "python-models.md",
}
"""What a link leads to on the site, by what it leads to in the repository, from `docs/`."""
_LINK = re.compile(r"\]\(((?:\.\./)*)([^)#]*)(#[^)]*)?\)")


def replace_links(app: Any, docname: str, content: list[str]) -> None:
    """Rewrite the links of a page that Sphinx has read."""
    depth = docname.count("/")
    if docname.startswith("_generated/"):
        return

    def target(match: re.Match[str]) -> str:
        ups = match[1].count("../")
        path = "../" * (ups - depth) + match[2].rstrip("/") if ups >= depth else ""
        if path not in REPLACED:
            return match[0]
        return f"]({'../' * depth}{REPLACED[path]}{match[3] or ''})"

    content[0] = _LINK.sub(target, content[0])


def setup(app: Any) -> dict[str, bool]:
    """Have every page's links rewritten."""
    app.connect("source-read", replace_links)
    return {"parallel_read_safe": True}
