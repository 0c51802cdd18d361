"""A document as a file of one of the suffixes of documents."""

from __future__ import annotations

from jaccli.result.documents import html_page, latex, markdown
from jaccli.result.documents.document import DocumentContent


def as_bytes(document: DocumentContent, suffix: str) -> bytes:
    """Return a document as `.md`, `.tex` or `.html`, in UTF-8."""
    made = {".md": markdown.lines, ".tex": latex.lines, ".html": html_page.page}[suffix](document)
    return "".join(made).encode("utf-8", "backslashreplace")
