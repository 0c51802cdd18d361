"""What the program prints about a text in which «marks» stand around what is wrong.

A message's first line goes before the picture, the rest after it.  `««a»»` is wrong twice.
"""

from __future__ import annotations


def marked(text: str, *messages: str, name: str = "<stdin>") -> tuple[str, str]:
    """Return a spec without its marks, and the paragraphs about it."""
    plain, spans = _spans(text)
    lines = plain.split("\n")
    paragraphs = []
    for (start, end), message in zip(spans, messages, strict=True):
        row = plain.count("\n", 0, start)
        column = start - (plain.rfind("\n", 0, start) + 1)
        place = f"{name}:{row + 1}:{column + 1}"
        paragraphs.append(_paragraph(place, lines[row], column, end - start, message))
    return plain, "".join(paragraphs)


def marked_option(name: str, text: str, message: str) -> tuple[str, str]:
    """Return an option's argument without its marks, and the paragraph about it."""
    plain, ((start, end),) = _spans(text)
    return plain, _paragraph(name, plain, start, end - start, message)


def _spans(text: str) -> tuple[str, list[tuple[int, int]]]:
    """Return the text without its marks, and where they stood, in order."""
    plain, opened, spans = "", [], []
    for character in text:
        if character == "«":
            opened.append(len(plain))
        elif character == "»":
            spans.append((opened.pop(), len(plain)))
        else:
            plain += character
    return plain, sorted(spans)


def _paragraph(place: str, line: str, column: int, length: int, message: str) -> str:
    first, *rest = message.split("\n")
    picture = [f"  {line.expandtabs(1)}", f"  {' ' * column}{'^' * max(1, length)}"]
    return "\n".join([f"{place}: {first}", *picture, *rest, ""])
