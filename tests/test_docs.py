"""The docs: every config has its picture, every page its place, every link its target."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
CODE = re.compile(r"^```.*?^```|`[^`\n]*`", re.DOTALL | re.MULTILINE)
PAGES = sorted([*DOCS.glob("*.md"), *DOCS.glob("how-to/*.md")])


def test_the_gallery_has_every_config_with_a_small_picture() -> None:
    spec = importlib.util.spec_from_file_location("gallery", ROOT / "scripts" / "gallery.py")
    assert spec is not None
    assert spec.loader is not None
    gallery = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gallery)
    names = [name for names in gallery.GROUPS.values() for name in names]
    assert sorted(names) == sorted(path.stem for path in (ROOT / "configs").glob("*.yaml"))
    for name in names:
        picture = DOCS / "images" / "configs" / f"{name}.png"
        assert picture.read_bytes().startswith(b"\x89PNG")
        assert picture.stat().st_size < 60 * 1024, name
    assert (DOCS / "gallery.md").read_text() == gallery.page()


def test_every_page_is_in_a_table_of_contents() -> None:
    listed = set()
    for index in (DOCS / "index.md", DOCS / "how-to" / "index.md"):
        for block in re.findall(r"```\{toctree\}\n(.*?)```", index.read_text(), re.DOTALL):
            entries = [line for line in block.splitlines() if line and line[0] != ":"]
            listed |= {(index.parent / f"{entry}.md").resolve() for entry in entries}
    assert {*PAGES} - {DOCS / "index.md"} == {p for p in listed if "_generated" not in p.parts}


def test_links_between_files_of_the_repository_lead_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *PAGES]:
        for link in re.findall(r"\]\(([^)\s]+)\)", CODE.sub("", page.read_text())):
            path = link.partition("#")[0]
            if path and not re.match(r"https?:|mailto:", link):
                assert (page.parent / path).exists(), (page.name, link)


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) < 150
