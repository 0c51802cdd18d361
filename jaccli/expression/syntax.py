"""Expression text to checked syntax tree; only checked trees are evaluated.

An allowlist over Python's `ast`; limits on size and depth; positions that lead back to the text
the user wrote.  Imports neither JAX nor numpy, and never uses `eval`.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

from jaccli.errors import Place, Problem, SpecError, suggest
from jaccli.expression.function_table import FREE, FUNCTIONS, INSTEAD, SPELLINGS, FunctionKind
from jaccli.expression.length_limits import (
    MAX_NESTING,
    MAX_PROBLEMS,
    READ_AS,
    SYMBOLS,
    lexical_faults,
    short,
)
from jaccli.expression.remedies import remedy
from jaccli.expression.signature import bind, parameters

MAX_NODES = 4_000

OPERATORS: dict[type[ast.AST], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.FloorDiv: "//",
    ast.Mod: "%",
    ast.Pow: "**",
    ast.MatMult: "@",
    ast.BitAnd: "&",
    ast.BitOr: "|",
    ast.USub: "-",
    ast.UAdd: "+",
    ast.Invert: "~",
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
"""The operators of the language, as the user writes them."""

_REFUSED: dict[type[ast.AST], tuple[str, str]] = {
    ast.LShift: ("<< is not an operator here", ""),
    ast.RShift: (">> is not an operator here", ""),
    ast.Not: ("'not' does not work on arrays", "Write ~(...) or logical_not(...)."),
    ast.And: ("'and' does not work on arrays", "Write (...) & (...) or logical_and(..., ...)."),
    ast.Or: ("'or' does not work on arrays", "Write (...) | (...) or logical_or(..., ...)."),
    ast.Is: ("'is' is not an operator here", "Write ==."),
    ast.IsNot: ("'is not' is not an operator here", "Write !=."),
    ast.In: ("'in' is not an operator here", "Write any(... == ...)."),
    ast.NotIn: ("'not in' is not an operator here", "Write all(... != ...)."),
    ast.Lambda: ("lambda is not part of the expression language", ""),
    ast.ListComp: ("comprehensions are not part of the expression language", ""),
    ast.SetComp: ("comprehensions are not part of the expression language", ""),
    ast.DictComp: ("comprehensions are not part of the expression language", ""),
    ast.GeneratorExp: ("comprehensions are not part of the expression language", ""),
    ast.NamedExpr: ("':=' is not part of the expression language", ""),
    ast.Dict: ("braces are not part of the expression language", "Write [..., ...]."),
    ast.Set: ("braces are not part of the expression language", "Write [..., ...]."),
    ast.Starred: ("'*' before an argument is not part of the expression language", ""),
    ast.Slice: ("a slice belongs into an index, as in x[1:3]", ""),
}


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked expression.

    `names` are the names it uses that are not functions (inputs, earlier expressions, constants),
    each once, in order of appearance; `uses` holds where each stands first.
    """

    text: str
    tree: ast.expr
    uses: tuple[ast.Name, ...]
    path: str = ""
    place: Place | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The free names, in order of appearance."""
        return tuple(use.id for use in self.uses)

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Return where in `text` a node of the tree begins and ends, in characters."""
        return _span(self.text, node)

    def segment(self, node: ast.AST, limit: int = 60) -> str:
        """Return the source of a node on one line, shortened to `limit` characters."""
        start, end = self.span(node)
        return short(self.text[start:end], limit)

    def problem(self, node: ast.AST, message: str, hint: str = "") -> Problem:
        """Return a problem with its caret under `node`."""
        return _problem(self.text, self.span(node), message, hint, self.path, self.place)


def parse(text: str, *, path: str = "", place: Place | None = None) -> Expression:
    """Return the checked expression.

    `path` is the entry of the spec that holds it, `place` where the scalar begins.  Raises
    SpecError with every problem found; names are checked later, by `check_names`.
    """
    text = text.translate(READ_AS)
    faults = lexical_faults(text)
    if faults:
        raise SpecError(
            *(
                _problem(text, (fault.start, fault.end), fault.message, fault.hint, path, place)
                for fault in faults
            )
        )
    # Same length, and the line ends that both Python and Place count by.
    text = text.replace("\r\n", " \n").replace("\r", "\n")
    try:
        # The brackets lift Python's rules for line ends; lines of `text` begin at 2.
        tree = ast.parse(f"(\n{text}\n)", mode="eval").body
    except SyntaxError as error:
        raise SpecError(_syntax_problem(text, error, path, place)) from error
    except (RecursionError, MemoryError) as error:
        message = "the expression nests too deeply or has too many terms"
        raise SpecError(_problem(text, (0, len(text)), message, "", path, place)) from error
    checker = _Checker(text, path, place)
    checker.check(tree)
    if checker.problems:
        raise SpecError(*checker.problems[:MAX_PROBLEMS])
    first: dict[str, ast.Name] = {}
    for use in sorted(checker.uses, key=lambda use: (use.lineno, use.col_offset)):
        first.setdefault(use.id, use)
    return Expression(text, tree, tuple(first.values()), path, place)


class _Checker:
    """Collects the problems of one tree, node by node, without recursion."""

    def __init__(self, text: str, path: str, place: Place | None) -> None:
        self.text, self.path, self.place = text, path, place
        self.problems: list[Problem] = []
        self.uses: list[ast.Name] = []
        self.stack: list[tuple[ast.AST, str, int]] = []

    def refuse(self, node: ast.AST, message: str, hint: str = "") -> None:
        """Record a problem."""
        span = _span(self.text, node)
        self.problems.append(_problem(self.text, span, message, hint, self.path, self.place))

    def check(self, tree: ast.expr) -> None:
        """Check the tree; stops early only where it is too large or too deep."""
        self.stack = [(tree, "value", 0)]
        count = 0
        while self.stack and len(self.problems) < MAX_PROBLEMS:
            node, role, depth = self.stack.pop()
            count += 1
            if count > MAX_NODES:
                self.refuse(tree, f"the expression has more than {MAX_NODES:,} parts")
                return
            if depth > MAX_NESTING:
                self.refuse(node, f"the operations nest deeper than {MAX_NESTING}")
                return
            self.node(node, role, depth + 1)

    def push(self, role: str, depth: int, *nodes: ast.AST | None) -> None:
        """Push nodes on the stack, so that the first is checked first."""
        self.stack += [(node, role, depth) for node in reversed(nodes) if node is not None]

    def node(self, node: ast.AST, role: str, depth: int) -> None:
        """Check one node; its `role` is value, argument, text or index."""
        match node:
            case ast.Constant():
                self.constant(node, role)
            case ast.Name():
                self.name(node)
            case ast.BinOp(op=ast.BitXor()):
                self.power(node)
            case ast.BinOp(left=left, op=op, right=right):
                self.operator(node, op)
                # A sum of a thousand terms is one level, however Python nests it.
                self.push("value", depth, right)
                self.push("value", depth - isinstance(left, ast.BinOp), left)
            case ast.UnaryOp(op=op, operand=operand):
                self.operator(node, op)
                self.push("value", depth, operand)
            case ast.BoolOp(op=op, values=values):
                self.operator(node, op)
                self.push("value", depth, *values)
            case ast.Compare(left=left, ops=ops, comparators=comparators):
                for comparison in ops:
                    self.operator(node, comparison)
                self.push("value", depth, left, *comparators)
            case ast.IfExp(test=test, body=body, orelse=orelse):
                self.push("value", depth, test, body, orelse)
            case ast.Tuple(elts=elements) | ast.List(elts=elements):
                if not elements and role == "value":
                    self.refuse(node, "an array literal needs at least one entry")
                self.push(role if role == "index" else "value", depth, *elements)
            case ast.Subscript(value=value, slice=index):
                self.push("index", depth, index)
                self.push("value", depth, value)
            case ast.Slice(lower=lower, upper=upper, step=step) if role == "index":
                self.push("argument", depth, lower, upper, step)
            case ast.Call():
                self.call(node, depth)
            case ast.Attribute():
                self.attribute(node)
            case _:
                found = type(node).__name__
                unknown = (f"{found} is not part of the expression language", "")
                self.refuse(node, *_REFUSED.get(type(node), unknown))

    def constant(self, node: ast.Constant, role: str) -> None:
        """Check a literal."""
        value = node.value
        if isinstance(value, str):
            if role != "text":
                self.refuse(node, "a string does not belong here", "Names have no quotes.")
        elif value is None:
            if role not in ("argument", "index"):
                self.refuse(node, "None does not belong here")
        elif value is ...:
            if role != "index":
                self.refuse(node, "... belongs into an index, as in x[..., 0]")
        elif isinstance(value, int):
            if value.bit_length() > 1023:
                self.refuse(node, "the integer is too large for a float")
        elif not isinstance(value, float):
            self.refuse(node, f"{self.source(node)} is not a real number")

    def name(self, node: ast.Name) -> None:
        """Check a name that is used as a value."""
        if node.id in FUNCTIONS and node.id not in FREE:
            signature = FUNCTIONS[node.id].signature
            hint = f"Call it: {signature}; or choose another name."
            self.refuse(node, f"{node.id} is a function", hint)
        elif self.check_spelling(node, node.id):
            node.id = SYMBOLS.get(node.id, node.id)
            self.uses.append(node)

    def check_spelling(self, node: ast.AST, name: str) -> bool:
        """Tell whether a name is written as Python reads it, and is not one of Python's own."""
        start = 0 if self.text.isascii() else _span(self.text, node)[0]
        if not self.text.isascii() and self.text[start : start + len(name)] != name:
            # Python normalizes identifiers, so that two spellings would be one name.
            self.refuse(
                node, "the name is written with look-alike letters", f"Write {short(name)}."
            )
        elif name.startswith("__"):
            self.refuse(node, f"{short(name)!r}: names do not begin with two underscores")
        else:
            return True
        return False

    def operator(self, node: ast.AST, op: ast.AST) -> None:
        """Check an operator."""
        if type(op) not in OPERATORS:
            self.refuse(node, *_REFUSED[type(op)])

    def power(self, node: ast.BinOp) -> None:
        """Refuse a ^, saying how the power is written."""
        base, right = self.source(node.left), node.right
        if base in FUNCTIONS and isinstance(right, ast.Call):  # sin^2(x)
            exponent = self.source(right.func)
            power = f"{base}{self.source(right).removeprefix(exponent)}**{exponent}"
        else:
            (start, end), (_, middle) = _span(self.text, node), _span(self.text, node.left)
            power = short(self.text[start:middle] + self.text[middle:end].replace("^", "**", 1))
        self.refuse(node, "^ is not an operator here", f"Write powers with **: {power}.")

    def call(self, node: ast.Call, depth: int) -> None:
        """Check a call: of the table's functions only, with arguments that fit."""
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        if isinstance(node.func, ast.Attribute):
            self.attribute(node.func)
        elif not isinstance(node.func, ast.Name):
            hint = "If this is a product, write '*' before the bracket."
            self.refuse(node, "only functions can be called", hint)
            self.push("value", depth, node.func)
        elif node.func.id not in FUNCTIONS and node.func.id not in SPELLINGS:
            if self.check_spelling(node.func, node.func.id):
                self.problems.append(self.unknown(node.func))
        elif self.check_spelling(node.func, node.func.id):
            node.func.id = SPELLINGS.get(node.func.id, node.func.id)
            function = FUNCTIONS[node.func.id]
            bound, faults = bind(function, node)
            for fault in faults[:MAX_PROBLEMS]:
                self.refuse(*fault)
            roles = {one.name: _ROLES.get(one.kind, "argument") for one in parameters(function)}
            # Arguments that fit no parameter have their own problem already.
            for name, argument in bound.items():
                nodes = argument if isinstance(argument, list) else [argument]
                self.push(roles[name], depth, *nodes)
            return
        self.push("argument", depth, *arguments)

    def unknown(self, function: ast.Name) -> Problem:
        """Return the problem of a call of something that is no function."""
        message = f"{short(function.id)!r} is not a function"
        hint = INSTEAD.get(function.id) or suggest(function.id, [*FUNCTIONS, *SPELLINGS])
        if not hint and "(" in self.text[len(function.id) :] and len(function.id) <= _SYMBOL:
            hint = f"Write products with '*': {function.id}*(...)."
        hint = hint or "'jaccli functions' lists the functions."
        span = _span(self.text, function)
        return _problem(self.text, span, message, hint, self.path, self.place)

    def attribute(self, node: ast.Attribute) -> None:
        """Refuse `x.T`, `np.sin` and `x.sum()`, naming what to write instead."""
        hint = ""
        if node.attr in FUNCTIONS:
            hint = f"Write {FUNCTIONS[node.attr].signature}."
        elif node.attr in ("T", "mT"):
            hint = f"Write transpose({self.source(node.value)})."
        self.refuse(node, f"{self.source(node)}: attributes are not allowed", hint)

    def source(self, node: ast.AST) -> str:
        """Return the text of a node, shortened."""
        start, end = _span(self.text, node)
        return short(self.text[start:end])


_SYMBOL = 2
"""Letters of what is rather an input than a function."""
_ROLES = {FunctionKind.TEXT: "text", FunctionKind.ORDER: "text"}
"""Kinds of parameter that take strings; `argument` is the role of all others."""


def _span(text: str, node: ast.AST) -> tuple[int, int]:
    """Return the range of `text` that a node covers; `ast` counts lines from 1 and UTF-8 bytes."""
    lines = text.split("\n")
    # An unbracketed tuple begins at the bracket that `parse` puts around the text.
    if getattr(node, "lineno", 1) < 2:
        return 0, len(text)

    def offset(line: int, column: int) -> int:
        before = sum(len(each) + 1 for each in lines[:line])
        return before + len(lines[line].encode()[:column].decode())

    start = offset(node.lineno - 2, node.col_offset)  # type: ignore[attr-defined]
    return start, offset(node.end_lineno - 2, node.end_col_offset)  # type: ignore[attr-defined]


def _problem(
    text: str,
    span: tuple[int, int],
    message: str,
    hint: str,
    path: str,
    place: Place | None,
) -> Problem:
    """Return a problem of `text[start:end]`, placed in the spec when the spec is known."""
    start, end = span
    origin = place or Place("", 0, 0, "", 0, 0)
    return Problem(message, path, origin.within(text, start, max(start + 1, end)), hint)


def _syntax_problem(text: str, error: SyntaxError, path: str, place: Place | None) -> Problem:
    """Return the error of Python's parser as a problem, at its place in the text."""
    lines = text.split("\n")
    row = max((error.lineno or 2) - 2, 0)
    if row >= len(lines):
        end = len(text.rstrip())
        return _problem(text, (end - 1, end), "the expression breaks off here", "", path, place)
    start = sum(len(line) + 1 for line in lines[:row]) + max((error.offset or 1) - 1, 0)
    start = min(start, max(len(text) - 1, 0))
    # Python's advice after the first sentence is about Python programs.
    reason = (error.msg or "invalid syntax").partition(". ")[0]
    product = "decimal literal" in reason and "leading" not in reason
    hint = "Write products with '*': 2*x." if product else remedy(text, start)
    return _problem(text, (start, start + 1), f"syntax error: {reason}", hint, path, place)
