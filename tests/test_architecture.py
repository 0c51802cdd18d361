"""What docs/architecture.md says of imports, held against the imports themselves."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from jaccli.choices import DECIDED_MODES, DERIVATIVES, MODES
from jaccli.derivative import operators

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "jaccli"
MODULES = sorted(PACKAGE.rglob("*.py"))
LONGEST = 450

DOORS = {
    "__init__": {"derivative", "python_api", "result"},
    "__main__": {"signals", "startup", "surroundings", "cli", "service", "__init__"},
}
"""The two ways in, which the table leaves out."""


@cache
def table() -> dict[str, str]:
    """Return the column `may import` of the page's table by the name of the part."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    cells = re.findall(r"^\| `(\w+)(?:\.py|/)` \|.*\| ([^|]*) \|$", page, re.MULTILINE)
    assert len(cells) > 10
    return dict(cells)


def part_of(path: Path) -> str:
    """Return the part of the program that a module belongs to: a folder, or a module beside it."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@cache
def allowed(part: str) -> frozenset[str]:
    """Return what a part may import: what its row names, and what those may import."""
    if part in DOORS:
        return frozenset(DOORS[part])
    assert part in table(), f"docs/architecture.md has no row for {part}"
    words = table()[part]
    if words == "–":
        return frozenset()
    if words == "all":
        return frozenset([*table(), "__init__"])
    if words == "the above":
        return frozenset([*list(table())[: list(table()).index(part)], "__init__"])
    named = [word.strip() for word in words.split(",")]
    assert set(named) <= set(table()), f"{part}: the page names unknown parts: {named}"
    return frozenset(named).union(*(allowed(name) for name in named))


@cache
def imports(path: Path) -> tuple[tuple[str, int], ...]:
    """Return the dotted names that a module imports anywhere in it, with their lines."""
    return tuple(_imports(ast.parse(path.read_text(encoding="utf-8"))))


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                yield f"{node.module}.{alias.name}", node.lineno


def typing_only(path: Path) -> set[int]:
    """Return the lines under `if TYPE_CHECKING`, which import nothing when the program runs."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    return {line for block in blocks for line in range(block.lineno, block.body[-1].end_lineno + 1)}


def own(name: str) -> str | None:
    """Return the part that a dotted name is of, or None for what is not the program's."""
    words = name.split(".")
    if words[0] != "jaccli":
        return None
    if (PACKAGE / words[1]).is_dir() or (PACKAGE / f"{words[1]}.py").is_file():
        return words[1]
    return "__init__"


def shown(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_every_part_of_the_program_has_a_row() -> None:
    assert {part_of(path) for path in MODULES} - set(DOORS) == set(table())


def test_parts_import_one_way() -> None:
    """No part may import one that may import it."""
    for part in table():
        if table()[part] != "all":
            assert part not in allowed(part)


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_a_module_imports_what_the_page_allows(path: Path) -> None:
    part = part_of(path)
    outside = [
        f"line {line}: {name}"
        for name, line in imports(path)
        if own(name) not in (None, part, *allowed(part))
    ]
    assert outside == []


@pytest.mark.parametrize("part", list(DOORS))
def test_a_door_opens_onto_what_it_says(part: str) -> None:
    found = {own(name) for name, _ in imports(PACKAGE / f"{part}.py")} - {None}
    assert found <= allowed(part)


@pytest.mark.parametrize("part", ["errors", "choices", "memory", "storage", "spec", "result"])
def test_parts_that_never_import_jax(part: str) -> None:
    for path in MODULES:
        if part_of(path) == part:
            assert not [name for name, _ in imports(path) if name.split(".")[0] in JAX], shown(path)


JAX = {"jax", "jaxlib"}
EVALUATING = {"evaluation", "functions", "indexing", "promotion", "size_limits"}


def test_the_syntax_half_of_expressions_imports_neither_jax_nor_numpy() -> None:
    for path in (PACKAGE / "expression").glob("*.py"):
        if path.stem not in EVALUATING:
            lines = typing_only(path)
            names = [name for name, line in imports(path) if line not in lines]
            assert not [name for name in names if name.split(".")[0] in {*JAX, "numpy"}], path.stem


def test_derivatives_import_jax_and_modules_that_import_nothing() -> None:
    for path in (PACKAGE / "derivative").rglob("*.py"):
        parts = {own(name) for name, _ in imports(path)} - {None}
        allowed_parts = {"derivative", "choices", "storage", "memory", "tracer_errors"}
        assert parts <= allowed_parts, shown(path)


@pytest.mark.parametrize("name", ["select_mode", "chunking", "timer"])
def test_rules_chunks_and_clocks_of_derivatives_need_no_jax(name: str) -> None:
    path = PACKAGE / "derivative" / f"{name}.py"
    lines = typing_only(path)
    names = {imported.split(".")[0] for imported, line in imports(path) if line not in lines}
    assert not names & {*JAX, "numpy", "jaccli"}


def test_the_table_of_operators_leaves_the_engine_to_calls_that_use_it() -> None:
    """Importing `jaccli.jacobian` must not wait for the engine's rules."""
    for name in ("operators", "api", "autotune"):
        tree = ast.parse((PACKAGE / "derivative" / f"{name}.py").read_text(encoding="utf-8"))
        top = _imports(ast.Module([n for n in tree.body if not isinstance(n, FUNCTIONS)], []))
        assert not [found for found, _ in top if "structured" in found], name


OPENS_FILES = re.compile(
    r"(?<![\w.])open\(|\.(exists|is_file|is_dir|stat|lstat|mkdir|read_bytes|read_text|write_text|"
    r"write_bytes|unlink|touch|glob)\(|(?<!archive)\.open\(|os\.(open|stat|lstat|replace|mkdir|makedirs|link)\("
)
OF_ITS_OWN = {
    "context.py": "the interface of who opens them",
    "memory.py": "the limits of the machine",
    "python_api.py": "arrays in memory",
    "commands/init.py": "`init`",
    "commands/examples.py": "the specs of the package, and copies of them",
    "cli/main.py": "streams that nobody reads",
    "commands/tasks.py": "`--resume`",
    "execute/executable_cache.py": "what the names of kept programs depend on",
    "models/": "the user's Python",
    "result/io/resumable.py": "results in chunks",
    "service/": "sockets",
    "surroundings.py": "streams that are closed",
    "sweep/": "the folder of a sweep",
}
"""Modules besides `storage/` that touch the file system, and for what: never in a session."""


def test_the_files_of_a_user_are_opened_in_one_place() -> None:
    """A session has its client's files in place of the machine's."""
    found = {
        str(path.relative_to(PACKAGE)): match[0]
        for path in MODULES
        if part_of(path) != "storage" and (match := OPENS_FILES.search(path.read_text("utf-8")))
    }
    elsewhere = {name for name in found if not name.startswith(tuple(OF_ITS_OWN))}
    assert not elsewhere, found


SERVICE = PACKAGE / "service"


@pytest.mark.parametrize(
    "path", [*SERVICE.glob("*.py"), *(SERVICE / "client").glob("*.py")], ids=shown
)
def test_the_client_imports_little(path: Path) -> None:
    lines = typing_only(path)
    top = _imports(ast.Module(ast.parse(path.read_text("utf-8")).body, []))
    words = {found.split(".")[0] for found, line in top if line not in lines}
    if path.name in ("start.py", "running.py"):  # for what runs here, and for `serve --stop`
        words -= {"importlib", "signal", "struct", "subprocess"}
    assert words <= {"__future__", "binascii", "contextlib", "fcntl", "jaccli", "json", "os",
                     "socket", "stat", "sys", "time"}  # fmt: skip


FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef


@pytest.mark.parametrize("folder", ["jaccli", "tests", "scripts", "configs"])
def test_nothing_relies_on_the_inside_of_jax(folder: str) -> None:
    inside = "jax." + "_src"
    for path in (ROOT / folder).rglob("*.py"):
        assert inside not in path.read_text(encoding="utf-8"), shown(path)


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_modules_are_short_and_say_what_they_are_for(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST
    assert ast.get_docstring(ast.parse(text))


def test_no_class_name_means_two_things() -> None:
    homes: dict[str, list[str]] = {}
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(shown(path))
    assert {name: places for name, places in homes.items() if len(places) > 1} == {}


GLOBALS = {"signals.py"}
"""Modules whose functions assign to module variables: a process has one handler of signals."""


@pytest.mark.parametrize("path", MODULES, ids=shown)
def test_nothing_is_lent_by_a_global(path: Path) -> None:
    """What differs from call to call is in its context."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assigned = [node.lineno for node in ast.walk(tree) if isinstance(node, ast.Global)]
    assert not assigned or path.name in GLOBALS


def test_modes_are_those_that_are_built() -> None:
    built = {
        "evaluate": {},
        "jvp": {},
        "vjp": {},
        "gradient": operators.JACOBIAN,
        "jacobian": operators.JACOBIAN,
        "hessian": operators.HESSIAN,
        "hvp": operators.HVP,
    }
    assert set(built) == set(DERIVATIVES)
    for derivative, registry in built.items():
        named = set(MODES[derivative])
        assert named - set(DECIDED_MODES) == set(registry), derivative
        assert "auto" in named
        assert ("tuned" in named) == bool(registry)
        assert ("structured" in named) == any(name.startswith("structured-") for name in registry)
