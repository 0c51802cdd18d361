"""Tables as people have them: the numbers read, and what is said of what has two readings."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jaccli.errors import SourceError
from jaccli.spec import input_files

NAN = math.nan
Options = dict[str, Any]


def read(
    folder: Path, content: str | bytes, name: str = "t.csv", limit: int = 1 << 30, **options: Any
) -> Any:
    data = content if isinstance(content, bytes) else content.encode()
    (folder / name).write_bytes(data)
    return input_files.read(folder / name, {"file": name, **options}, limit)


READ: dict[str, tuple[str | bytes, Options, list[Any]]] = {
    "semicolons, decimal commas": ("T;p\n1,5;2,25\n3;4\n", {}, [[1.5, 2.25], [3, 4]]),
    "they without a header": ("1,5;2,25\n3;4\n", {}, [[1.5, 2.25], [3, 4]]),
    "three decimals below one": ("a;b\n0,125;1,250\n", {}, [[0.125, 1.25]]),
    "tabs": ("a\tb c\n1.5\t2\n", {"name": "t.tsv", "column": "b c"}, [2]),
    "tabs, decimal commas": ("1,5\t2,5\n3,5\t4\n", {"name": "t.tsv"}, [[1.5, 2.5], [3.5, 4]]),
    "tabs beside blanks in cells": (
        "name\tx y\nfoo bar\t1\nfoo bar\t3\n",
        {"column": "x y", "name": "t.txt"},
        [1, 3],
    ),
    "aligned": ("  t   x\n  1.0  2.5\n 10.0  3.5\n", {"name": "t.dat"}, [[1, 2.5], [10, 3.5]]),
    "aligned, blanks in names": (
        "Time (s)   Temp (C)\n  1.0   2.5\n 10.0   3.5\n",
        {"column": "Temp (C)", "name": "t.txt"},
        [2.5, 3.5],
    ),
    "blanks, decimal commas": ("1,5 2,5\n3,5 4,5\n", {}, [[1.5, 2.5], [3.5, 4.5]]),
    "commas and blanks": ("a, b\n1, 2\n3 ,4\n", {}, [[1, 2], [3, 4]]),
    "quoted decimal commas": ('a,b\n"1,5","2,5"\n', {}, [[1.5, 2.5]]),
    "a bar said": ("a|b\n1|2\n", {"separator": "|"}, [[1, 2]]),
    "comments": ("# by me\na,b\n1,2\n  # why\n3,4\n", {}, [[1, 2], [3, 4]]),
    "another comment": ("% by me\na,b\n1,2\n", {"comment": "%"}, [[1, 2]]),
    "no comment": ("#a,b\n1,2\n", {"comment": "none", "column": "#a"}, [1]),
    "a mark in a quoted cell": ('a,b\n"x\n# y",2\n', {"column": "b"}, [2]),
    "a mark in a name": ('"L"; "#N"\n1; 10\n2; 11\n', {"column": "#N"}, [10, 11]),
    "no header": ("1,2,3\n4,5,6\n", {}, [[1, 2, 3], [4, 5, 6]]),
    "no header, by place": ("1,2,3\n4,5,6\n", {"columns": [2, 0]}, [[3, 1], [6, 4]]),
    "names that are numbers": ("400,410,420\n1,2,3\n", {"header": "first", "column": "410"}, [2]),
    "by place under names": ("x,y\n1,2\n3,4\n", {"column": 1}, [2, 4]),
    "missing": ("a,b\n1,NA\n3,\n", {"missing": ["NA", ""]}, [[1, NAN], [3, NAN]]),
    "missing is a number": ("a,b\n-999,1\n2,-999.0\n", {"missing": [-999]}, [[NAN, 1], [2, NAN]]),
    "missing in the first row": (",2,3\n4,5,6\n", {"missing": [""]}, [[NAN, 2, 3], [4, 5, 6]]),
    "missing in one column": ("a\n1\n\n3\n\n", {"missing": [""]}, [1, NAN, 3]),
    "not finite": ("a,b\nnan,inf\n-Infinity,NaN\n", {}, [[NAN, np.inf], [-np.inf, NAN]]),
    "Fortran": ("a b\n1.5D+03 -2.d-1\n", {"name": "t.dat"}, [[1500, -0.2]]),
    "UTF-8 with its mark": (b"\xef\xbb\xbfa,b\r\n1,2\r\n", {"column": "a"}, [1]),
    "UTF-16": ("é;b\r\n1,5;2\r\n".encode("utf-16"), {"encoding": "utf-16", "column": "é"}, [1.5]),
    "UTF-16 without a mark": ("a,b\n1,2\n".encode("utf-16-be"), {"encoding": "utf-16"}, [[1, 2]]),
    "Latin-1": ("é,b\n1,2\n".encode("latin-1"), {"encoding": "latin-1", "column": "é"}, [1]),
    "carriage returns": ("a,b\r1,2\r3,4\r", {}, [[1, 2], [3, 4]]),
    "line ends in names": ('"a, b","c\nd"\n"1","2"\n', {"column": "c\nd"}, [2]),
    "separators end lines": ("a;b;\n1;2;\n3;4;\n", {}, [[1, 2], [3, 4]]),
    "separators end rows": ("A,B,C\n1,4,7,\n2,5,8,\n", {}, [[1, 4, 7], [2, 5, 8]]),
    "blank lines at the end": ("a,b\n1,2\n\n\n,\n,\n", {}, [[1, 2]]),
    "blank lines between rows": ("a b\n1 2\n\n3 4\n", {}, [[1, 2], [3, 4]]),
    "one column": ("T (C)\n1.5\n2\n", {}, [1.5, 2]),
    "one column, indented": ("col1\n    1\n    2\n", {}, [1, 2]),
    "one column, decimal commas": ("x\n1,5\n2,25\n", {"decimal": ","}, [1.5, 2.25]),
    "a quoted column": ('"1,5"\n"2,5"\n', {}, [1.5, 2.5]),
    "a quoted column, separators at the end": ('"1,5",\n"2,5",\n', {}, [1.5, 2.5]),
    "one number": ("5\n", {}, [5]),
    "another column twice": ("a,b,a\n1,2,3\n", {"column": "b"}, [2]),
    "text beside": (
        "d;n;x\n2020-01-01 10:00;foo, bar;1,5\n2020-01-01 11:00;foo, baz;2,5\n",
        {"column": "x"},
        [1.5, 2.5],
    ),
    "JSON beside": ('i,j,x\n1,"{""a"": 1, ""b"": 2}",3\n2,"{}",4\n', {"column": "x"}, [3, 4]),
    "underscores beside": ("f,x\na_1,3\nb_2,4\n", {"column": "x"}, [3, 4]),
    "quoted lines longer than the sample": ('a,b\n' + '1,"x\ny"\n' * 300, {"column": 0}, [1] * 300),
    "a matrix of the program's": (",x,y\nr,6.0,1.0\nt,4.0,3.0\n", {}, [[6, 1], [4, 3]]),
    "one block of it": (
        ',"x[0,0]","x[0,1]"\ny[0],1,2\ny[1],4,5\n',
        {},
        [[[1, 2]], [[4, 5]]],
    ),
    "a part of it": (",x[2],x[0]\ny[1],36.0,8.0\n", {}, [[36, 8]]),
    "a vector of it": (",value\nx[0],6.0\nx[1],1\n", {}, [6, 1]),
    "a long table": ("output,wrt,value\ny[0],x[1],2\ny[0],x[0],1\n", {}, [[1, 2]]),
    "a long batch": (
        "batch,output,wrt,value\n0,y,x[0],1\n0,y,x[1],2\n1,y,x[0],3\n1,y,x[1],4\n",
        {},
        [[1, 2], [3, 4]],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", READ)
def test_numbers_are_those_of_the_table(tmp_path: Path, case: str) -> None:
    content, options, expected = READ[case]
    np.testing.assert_array_equal(read(tmp_path, content, **options), np.array(expected, float))


def test_a_header_alone_is_no_rows(tmp_path: Path) -> None:
    assert read(tmp_path, "a;b\n").shape == (0, 2)


F = "{file: t.csv"
BOTH = "Write {file: t.csv, header: first} or {file: t.csv, header: none}."
COMMA = f'Write {F}, separator: ","}} for 2 columns or {F}, decimal: ","}} for one.'
REFUSED: dict[str, tuple[str | bytes, Options, str]] = {
    "a pair or a decimal comma": (
        "1,5\n2,25\n",
        {},
        f"'1,5' is 2 numbers, or one with a decimal comma.\n{COMMA}",
    ),
    "that under one name": (
        "x\n1,5\n2,25\n",
        {},
        "'1,5' is two cells, or one number with a decimal comma.\n"
        f'Write {F}, decimal: ","}} for a decimal comma.',
    ),
    "that in some lines": (
        "x\n5107\n95,6\n",
        {},
        "'95,6' is two cells, or one number with a decimal comma.\n"
        f'Write {F}, decimal: ","}} for a decimal comma.',
    ),
    "three readings": (
        "1,000\n2,500\n",
        {},
        "'1,000' is 2 numbers, or one with a decimal comma, or one with its thousands grouped.\n"
        f"{COMMA}",
    ),
    "a separator that is not there": (
        "a,b\n1,2\n3,4\n",
        {"separator": ";"},
        "'1,2' is 2 numbers, or one with a decimal comma.\n"
        f'Write {F}, separator: ","}} for 2 columns or '
        f'{F}, separator: ";", decimal: ","}} for one.',
    ),
    "thousands or decimals": (
        "a;b\n1,000;2\n3,500;4\n",
        {},
        "'1,000' is 1000 with its thousands grouped, or 1.000 with a decimal comma.\n"
        f'Write {F}, decimal: ","}}, or take the commas out of the numbers.',
    ),
    "thousands beside points": (
        "a;b\n1,000;2.5\n",
        {},
        "line 2, column 'a': '1,000' has a comma.\n"
        f'If it groups thousands, write 1000. If it is a decimal comma: {F}, decimal: ","}}.',
    ),
    "thousands, quoted": (
        'a,b\n"1,000",2.5\n',
        {},
        "line 2, column 'a': '1,000' has a comma.\n"
        f'If it groups thousands, write 1000. If it is a decimal comma: {F}, decimal: ","}}.',
    ),
    "thousands with points": (
        "a;b\n1.000,5;2\n",
        {},
        "line 2, column 'a': '1.000,5' has thousands separators.\nWrite numbers without them.",
    ),
    "thousands with blanks": (
        "10 000\n12 500\n",
        {},
        "'10 000' is 2 numbers, or one with its thousands grouped.\n"
        f"Write {F}, separator: blanks}}, or take the blanks out of the numbers.",
    ),
    "two separators": (
        "1;2,3,4\n5;6,7,8\n",
        {},
        "the separator of the cells in '5;6,7,8' may be ';' or ','.\n"
        f'Write {F}, separator: ";"}} or {F}, separator: ","}}.',
    ),
    "no separator": (
        "Measured by X\nDate 2020\na,b,c\n1,2,3\n4,5,6\n",
        {},
        "the separator of the cells cannot be told: none divides all lines, of which the first is "
        "'Measured by X', into as many cells.\n"
        f'Name it, as in {F}, separator: ";"}}; lines that are no rows may be marked as comments, '
        "with #.",
    ),
    "a bar": (
        "a|b\n1|2\n3|4\n",
        {},
        "line 2, column 'a|b': '1|2' is not a number.\n"
        f"If '|' separates cells: {F}, separator: \"|\"}}.",
    ),
    "a decimal comma after the sample": (
        "a;b\n" + "1;2\n" * 150 + "1,5;2\n",
        {},
        f"line 152, column 'a': '1,5' has a decimal comma.\nWrite {F}, decimal: \",\"}}.",
    ),
    "a decimal point after the sample": (
        "a;b\n" + "1,5;2\n" * 150 + "1.5;2\n",
        {},
        "line 152, column 'a': '1.5' has a point where the decimal sign is a comma.\n"
        "Write one sign in all cells.",
    ),
    "names that may be a row": (
        "station,2019,2020\nA,1,2\nB,3,4\n",
        {},
        f"the first line, 'station 2019 2020', may name the columns, or be a row.\n{BOTH}",
    ),
    "quantiles": (
        "5%,10%\n1,2\n3,4\n",
        {},
        f"the first line, '5% 10%', may name the columns, or be a row.\n{BOTH}",
    ),
    "the index of a frame": (
        ",x,z\n0,6,1\n1,4,3\n",
        {},
        "the first column has no name: '0', in row 1, may be a label or a number.\n"
        f"Write {F}, columns: [x, z]}} without it, or {F}, columns: [0, x, z]}} with it.",
    ),
    "no such place": (
        "1,2,3\n4,5,6\n",
        {"column": 7},
        "t.csv has no column 7: they are counted from 0 to 2.",
    ),
    "no names": (
        "1,2,3\n4,5,6\n",
        {"column": "a"},
        "t.csv has no header, and so no column 'a'.\nIts columns are 0 to 2; with "
        f"{F}, column: a, header: first}} the first line names them.",
    ),
    "names in a comment": (
        "# t x\n1 2\n3 4\n",
        {"column": "x"},
        "t.csv has no header, and so no column 'x'.\n"
        f"Its columns are 0 to 1, and a comment names them: {F}, column: 1}}.",
    ),
    "a name that is like it": (
        "Temp (C),t\n20,1\n",
        {"column": "Temp"},
        "t.csv has no column 'Temp'.\nDid you mean 'Temp (C)'?",
    ),
    "text": (
        "name,u,v\nfoo,1,2\nbar,3,4\n",
        {},
        "line 2, column 'name': 'foo' is not a number.\n"
        f"The columns of numbers: {F}, columns: [u, v]}}.",
    ),
    "ragged": (
        "a;b\n1;2\n3;4;5\n6;7\n",
        {},
        "line 3 has 3 cells, the header 2.\nCells are separated by ';'.",
    ),
    "ragged, comments": ("# c\n# d\na,b\n1,2\n# e\n3\n", {}, "line 6 has 1 cells, the header 2."),
    "ragged without a header": ("1,2,3\n4,5,6\n7,8\n", {}, "line 3 has 2 cells, the first line 3."),
    "a row of nothing": (
        "a,b\n1,2\n,\n3,4\n",
        {},
        f"line 3, column 'a': the cell is empty.\nTo make it NaN: {F}, missing: [\"\"]}}.",
    ),
    "a blank line in one column": (
        "a\n1\n\n3\n",
        {},
        f"line 3, column 'a': the cell is empty.\nTo make it NaN: {F}, missing: [\"\"]}}.",
    ),
    "what a spreadsheet says": (
        "a;b\n1;2\n#DIV/0!;3\n",
        {},
        "line 3, column 'a': '#DIV/0!' is not a number.\n"
        f"To make it NaN: {F}, missing: [\"#DIV/0!\"]}}.",
    ),
    "another missing": (
        "a\n1\nNA\n",
        {"missing": ["-"]},
        "line 3, column 'a': 'NA' is not a number.\n"
        f'To make it NaN: {F}, missing: ["-", NA]}}.',
    ),
    "empty": ("", {}, "the file is empty."),
    "blank": ("\n \n", {}, "the file is empty."),
    "a separator alone": (";\n", {"separator": ";"}, "the file is empty."),
    "comments alone": ("# a\n", {}, "the file is empty."),
    "UTF-16": (
        "a,b\n1,2\n".encode("utf-16"),
        {},
        f"this is UTF-16 text, and UTF-8 is read.\nWrite {F}, encoding: utf-16}}.",
    ),
    "UTF-16 without a mark": (
        "a,b\n1,2\n".encode("utf-16-le"),
        {},
        f"this is UTF-16-LE text, and UTF-8 is read.\nWrite {F}, encoding: utf-16-le}}.",
    ),
    "Latin-1, late": (
        b"a,b\n" + b"1,2\n" * 5000 + b"1,\xe9t\xe9\n",
        {},
        "line 5002: the byte 0xe9 is not UTF-8.\n"
        f"In latin-1 it is part of 'été': write {F}, encoding: latin-1}}.",
    ),
    "Windows": (
        b"Preis \x80,b\n1,2\n",
        {},
        "line 1: the byte 0x80 is not UTF-8.\n"
        f"In cp1252 it is part of 'Preis €': write {F}, encoding: cp1252}}.",
    ),
    "another mark": (
        b"\xef\xbb\xbfa,b\n1,2\n",
        {"encoding": "latin-1"},
        "the file begins with the mark of UTF-8, and encoding says latin-1.\n"
        f"Write {F}, encoding: utf-8}}.",
    ),
    "an image": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", {}, "this is no text: it has bytes that are 0."),
    "an open quotation": ('a,b\n"1,2\n3,4\n', {}, "this file is damaged: unexpected end of data."),
    "a cell of 200,000 letters": (
        f"a,{'b' * 200_000}\n1,2\n",
        {"column": "a"},
        "this file is damaged: field larger than field limit (131072).",
    ),
    "digits that float64 has not": (
        "a\n9007199254740993\n",
        {"dtype": "int64"},
        "9007199254740992 may have lost digits: tables are read in float64.",
    ),
    "several blocks": (
        "output,wrt,value\ny[0],x[0],1\ny[0],w[0],2\n",
        {},
        "the table holds 2 blocks: y.w, y.x.\n"
        "An input is one array: write the result with --select and --wrt, or as .npz.",
    ),
    "entries that are missing": (
        "output,value\ny[0],1\ny[2],1\n",
        {},
        "y: 2 rows where the labels go up to 3 entries.\n"
        "Column 'value' alone has the numbers in the order of the rows.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_says_why_and_what_to_write(tmp_path: Path, case: str) -> None:
    content, options, message = REFUSED[case]
    with pytest.raises(SourceError) as error:
        read(tmp_path, content, **options)
    assert str(error.value) == message


PLAIN = "Numbers are written as 1.5, -2 or 1e-3."
DATE = "Write it as a number, as of the days since the first."
CELLS = {
    "0x1F": f"is not in decimal notation.\n{PLAIN}",
    "TRUE": "is a truth value.\nWrite 1 and 0.",
    "2020-01-31": f"is a date.\n{DATE}",
    "2020-01-31 10:00": f"is a date.\n{DATE}",
    "31.12.2020": f"is a date.\n{DATE}",
    "1/2/20": f"is a date.\n{DATE}",
    "12:30:05": "is a time of day.\nWrite it as a number, as of seconds.",
    "12,5%": "has a percent sign.\nTake it out and divide by 100: 5% is 0.05.",
    "5 kg": "has a unit.\nUnits stand in the header: T (K).",
    "−1.5": "has a dash for its minus.\nA minus sign is the character -.",
    "1+2j": "is a complex number.\nReal numbers are read.",
    "$5": f"has a currency sign.\n{PLAIN}",
    "1 000": "has thousands separators.\nWrite numbers without them.",
    "1D3": "has an exponent with D and no point.\nWrite 1.0D3 or 1e3.",
    "1.5-103": "lost the letter of its exponent.\n"
    "Fortran drops it above 99: write it with E, as by the format ES24.16E3.",
    "1_0": "is not a number.",
    "hello": "is not a number.",
}


@pytest.mark.parametrize("cell", CELLS)
def test_a_cell_that_is_no_number_is_named(tmp_path: Path, cell: str) -> None:
    with pytest.raises(SourceError) as error:
        read(tmp_path, f"a;b\n1;2\n{cell};3\n")
    assert str(error.value) == f"line 3, column 'a': {cell!r} {CELLS[cell]}"


def test_rows_and_labels_count_against_the_limit(tmp_path: Path) -> None:
    rows = "".join(f"{number},1\n" for number in range(10_000))
    with pytest.raises(SourceError, match=r"the first 6251 rows need 97.7 KiB, more than the"):
        read(tmp_path, f"a,b\n{rows}", limit=100_000)
    labelled = "".join(f"x[{number}],1\n" for number in range(10_000))
    with pytest.raises(SourceError, match=r"the first \d+ rows need .*, more than the limit"):
        read(tmp_path, f",value\n{labelled}", limit=100_000)


# From the command line

MODEL = ("evaluate", "-q", "-e", "x")


def test_what_was_assumed_is_said_to_who_asks(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("# run 3\nt;T (K)\n0;1,5\n1;2\n")
    done = jaccli(*MODEL, "-v", "--at", "x=@t.csv:T (K)", cwd=tmp_path)
    assert done.stdout == "f[0] 1.5\nf[1] 2.0\n"
    assert done.stderr.split("\n")[0] == (
        'inputs.x: t.csv: assumed separator: ";", decimal: ",", header: first, encoding: utf-8; '
        "skipped 1 line that begins with '#'"
    )
    assert jaccli(*MODEL, "--at", "x=@t.csv:T (K)", cwd=tmp_path).stderr == ""


def test_a_source_says_how_its_table_is_written(jaccli: Callable[..., Any], tmp_path: Path) -> None:
    (tmp_path / "t.txt").write_bytes("by °C\n°C!b\n1,5!NA\n".encode("latin-1"))
    said = (
        "decimal: ',', separator: '!', encoding: latin-1, missing: NA, comment: by, header: first"
    )
    done = jaccli(*MODEL, "-v", "--at", f"x={{file: t.txt, {said}}}", cwd=tmp_path)
    assert done.stdout.split() == ["f[:,0]", "f[:,1]", "f[0,:]", "1.5", "nan"]
    assert done.stderr.startswith("inputs.x: t.txt: read as said; skipped 1 line that")
    assert done.stderr.split("\n")[0].endswith("begins with 'by'")


@pytest.mark.parametrize("name", ["J.csv", "J.tsv"])
@pytest.mark.parametrize("layout", ["matrix", "long"])
def test_results_are_inputs(
    jaccli: Callable[..., Any], tmp_path: Path, name: str, layout: str
) -> None:
    """For y = (x₀x₁, x₁²) at (2, 3), J = [[3, 2], [0, 6]] and J (1, 1) = (5, 6)."""
    model = ("-e", "stack([x[0] * x[1], x[1]**2])", "--at", "x=[2, 3]")
    jaccli("jacobian", *model, "-o", name, "--layout", layout, "-q", cwd=tmp_path)
    done = jaccli("evaluate", "-q", "-e", "J @ v", "--at", f"J=@{name}", "--at", "v=[1, 1]",
                  cwd=tmp_path)  # fmt: skip
    assert done.stdout == "f[0] 5.0\nf[1] 6.0\n"


WRONG = {
    "separator: ab": (
        "'ab' is not a separator.",
        "ab",
        "Expected one character in quotes, as ';', or one of 'tab', 'blanks'.",
    ),
    "separator: 1": (
        "1 is not a separator.",
        "1",
        "Expected one character in quotes, as ';', or one of 'tab', 'blanks'.",
    ),
    "separator: '#'": (
        "lines that begin with '#' are skipped, so it separates no cells.",
        "'#'",
        "Write comment: none beside it.",
    ),
    "comment: 1": (
        "1 begins no comment.",
        "1",
        "Expected what such lines begin with, in quotes, as '#', or none.",
    ),
    "encoding: latin1": ("unknown value 'latin1'.", "latin1", "Did you mean 'latin-1'?"),
    "header: 0": ("0 is not a word.", "0", "Expected one of 'none', 'first'."),
    "decimal: ;": ("unknown value ';'.", ";", "Expected '.' or ',', in quotes."),
    "missing: [~]": (
        "nothing is not the text of a cell.",
        "~",
        'Expected texts or numbers: missing: [NA, "", -999].',
    ),
    "column: -1": (
        "-1 is not a column.",
        "-1",
        "Expected its name, or its place counted from 0.",
    ),
}


@pytest.mark.parametrize("entry", WRONG)
def test_wrong_keys_of_tables(jaccli: Callable[..., Any], entry: str) -> None:
    message, marked, hint = WRONG[entry]
    argument = f"x={{file: t.csv, {entry}}}"
    carets = " " * argument.rindex(marked) + "^" * len(marked)
    done = jaccli("validate", "-e", "x", "--at", argument, check=False)
    assert done.stderr == f"--at: {message}\n  {argument}\n  {carets}\n{hint}\n"
    assert done.exit_code == 2


def test_keys_of_tables_go_with_tables(jaccli: Callable[..., Any]) -> None:
    done = jaccli("validate", "-e", "x", "--at", "x={file: a.npy, decimal: ','}", check=False)
    assert done.stderr == (
        "--at: 'decimal' goes with tables alone.\n"
        "  x={file: a.npy, decimal: ','}\n"
        "                           ^^^\n"
        "Tables are .csv, .tsv, .txt and .dat files.\n"
    )
