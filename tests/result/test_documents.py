"""Markdown, LaTeX and HTML: cells against entries, and names that would be markup."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest

from jaccli.result import Sparse
from jaccli.result.documents import html_page, latex, markdown
from jaccli.result.documents.document import DocumentContent, Section
from jaccli.result.io.registry import content
from jaccli.result.result import ResultOrigin

from .samples import block, counted, jacobian, result_of

HOSTILE = "<script>alert(1)</script>|`*_$x$&\\%#{}[a](http://b)"


def md_tables(text: str) -> list[list[list[str]]]:
    """Return the cells of each table, as GitHub reads them."""
    tables: list[list[list[str]]] = []
    inside = False
    for line in text.splitlines():
        if line.startswith("|"):
            if not inside:
                tables.append([])
            cells = [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
            tables[-1].append([re.sub(r"\\(.)", r"\1", cell) for cell in cells])
        inside = line.startswith("|")
    return tables


def tex_rows(text: str) -> list[list[str]]:
    body = re.findall(r"^(?!\\multicolumn|%)(.+) \\\\$", text, re.MULTILINE)
    return [re.split(r"(?<!\\) & ", line) for line in body]


class Page(HTMLParser):
    """The elements of a page: what is open, the texts of cells, attributes that were seen."""

    VOID = ("meta", "image", "use")

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []
        self.tags: list[tuple[str, dict[str, Any]]] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("td", "th", "caption", "h1", "h2", "li", "title"):
            self.cells.append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: Any) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th", "caption", "h1", "h2", "li", "title"):
            self.cells[-1] += data


def test_markdown_holds_the_entries_with_their_labels() -> None:
    text = content(jacobian((2,), (3,)), ".md").decode()
    assert md_tables(text) == [
        [["", "x[0]", "x[1]", "x[2]"], [":---", "---:", "---:", "---:"],
         ["y[0]", "0", "1", "2"], ["y[1]", "3", "4", "5"]],
    ]  # fmt: skip
    assert "## ∂y/∂x (2, 3)\n" in text
    assert "71 ms" not in text  # no times: the same each time


def test_latex_holds_the_entries_as_mathematics() -> None:
    values = [[1e-9, -2.5, np.inf], [0.0, 12.0, -np.inf]]
    made = result_of("jacobian", block("y_1", ("x",), values, (2,), (3,)))
    rows = tex_rows(content(made, ".tex").decode())
    assert rows == [
        ["", "x[0]", "x[1]", "x[2]"],
        [r"y\_1[0]", r"$1 \times 10^{-9}$", "$-2.5$", r"$\infty$"],
        [r"y\_1[1]", "$0$", "$12$", r"$-\infty$"],
    ]
    assert latex.number("1e+300") == r"$1 \times 10^{300}$"
    assert latex.number("nan") == "NaN"


def test_tables_have_the_digits_that_are_asked_for() -> None:
    made = result_of("gradient", block("f", ("x",), [1 / 3], (), (1,)))
    assert md_tables(content(made, ".md").decode())[0][-1] == ["x[0]", "0.333333"]


def test_each_grid_is_a_table() -> None:
    hessian = counted("hessian", ("y", ("x", "x"), (2,), ((2,), (2,))))
    text = content(hessian, ".md").decode()
    assert [table[2][1:] for table in md_tables(text)] == [["0", "1"], ["4", "5"]]
    assert "## ∂²y[1]/∂x² (2, 2)" in text
    batch = jacobian((2,), (2,), batch=3)
    assert len(md_tables(content(batch, ".md").decode())) == 3
    assert content(batch, ".tex").count(b"\\begin{tabular}") == 3


def test_of_a_sparse_result_the_entries_that_are_kept_are_listed() -> None:
    made = jacobian((3,), (3,))
    kept = replace(made.blocks[0], values=Sparse.from_dense(np.diag([1.0, 2.0, 3.0])))
    result = replace(made, blocks=(kept,))
    assert md_tables(content(result, ".md").decode())[0][2:] == [
        ["y[0]", "x[0]", "1"], ["y[1]", "x[1]", "2"], ["y[2]", "x[2]", "3"],
    ]  # fmt: skip


def test_values_stand_before_the_derivative() -> None:
    made = replace(jacobian((2,), (2,)), value={"y": np.array([7.5, 8.5])})
    tables = md_tables(content(made, ".md").decode())
    assert [row[-1] for row in tables[0][2:]] == ["7.5", "8.5"]
    assert tables[1][2] == ["y[0]", "0", "1"]


DOCUMENT = DocumentContent(
    HOSTILE,
    [Section(HOSTILE, (HOSTILE, "value"), [[HOSTILE, "1"]])],
    facts=[("mode", HOSTILE)],
    warnings=[HOSTILE, "\x1b[31m\nnext"],
)


def test_names_are_never_markdown() -> None:
    text = "".join(markdown.lines(DOCUMENT))
    (table,) = md_tables(text)
    assert table[0] == [HOSTILE, "value"]
    assert table[2] == [HOSTILE, "1"]
    assert not re.search(r"(?<!\\)(<|`|\*|\$)", text.replace("| :--- |", ""))
    assert not re.search(r"(?<!\\)\]\(", text)
    assert "\x1b" not in text


def test_names_are_never_latex() -> None:
    text = "".join(latex.lines(DOCUMENT))
    body = [line for line in text.splitlines() if not line.startswith("%")]
    row = next(line for line in body if line.endswith(r"& $1$ \\"))
    assert row.startswith(
        r"\textless{}script\textgreater{}alert(1)\textless{}/script\textgreater{}\textbar{}`*\_\$x\$"
        r"\&\textbackslash{}\%\#\{\}[a](http://b)"
    )
    assert all(line.startswith(("% ", "\\", "<", "")) for line in text.splitlines())
    assert "\nnext" not in text


def test_names_are_never_html() -> None:
    page = Page("".join(html_page.page(DOCUMENT)))
    assert HOSTILE in page.cells
    assert not [tag for tag, _ in page.tags if tag in ("script", "a")]
    assert not [name for _, attrs in page.tags for name in attrs if name.startswith("on")]


def test_a_page_stands_for_itself() -> None:
    pytest.importorskip("matplotlib")
    origin = ResultOrigin(
        "model.yaml", (("y", f"x + 1 # {HOSTILE}"),), (("x", "(2,)", "0.5, 1.5"),)
    )
    made = replace(counted("jacobian", (HOSTILE, ("x",), (2,), ((3,),))), origin=origin,
                   warnings=(HOSTILE,), value={HOSTILE: np.array([1.0, 2.0])})  # fmt: skip
    text = content(made, ".html").decode()
    assert text == content(made, ".html").decode()
    page = Page(text)
    tags = [tag for tag, _ in page.tags]
    assert "script" not in tags
    assert "link" not in tags
    links = [value for _, attrs in page.tags for name, value in attrs.items()
             if name in ("href", "xlink:href", "src")]  # fmt: skip
    assert all(link.startswith(("#", "data:image/png")) for link in links)
    assert set(re.findall(r"https?://[\w./]+", text)) == {
        "http://b", "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
    }  # fmt: skip
    (svg,) = (attrs for tag, attrs in page.tags if tag == "svg")
    assert svg["role"] == "img"
    assert svg["aria-label"].startswith(f"Figure of ∂{HOSTILE}/∂x")
    assert "prefers-color-scheme: dark" in text
    heads = [attrs.get("scope") for tag, attrs in page.tags if tag == "th"]
    assert heads
    assert all(scope in ("row", "col") for scope in heads)
    for shown in ("Warnings", HOSTILE, f"x + 1 # {HOSTILE}", "0.5, 1.5", "cpu:0", "ab" * 32,
                  "fwd: fewer inputs than outputs", "Jacobian of model.yaml"):  # fmt: skip
        assert shown in page.cells


@pytest.mark.parametrize("suffix", [".md", ".tex", ".html", ".png", ".svg", ".pdf"])
def test_documents_are_not_read_back(suffix: str, tmp_path: Any) -> None:
    from jaccli.errors import SourceError
    from jaccli.result import read

    (tmp_path / f"a{suffix}").write_bytes(b"anything")
    with pytest.raises(SourceError) as raised:
        read(tmp_path / f"a{suffix}")
    assert f"{suffix} is for people, and holds no numbers to read back." in str(raised.value)
