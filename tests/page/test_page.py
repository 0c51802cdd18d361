"""What the page shows, says and saves, as a person sees it in a real browser."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.page import tab
from tests.service.servers import ROOT, Server, serving

POLAR = {"formulas": "r = sqrt(x**2 + y**2)\ntheta = arctan2(y, x)", "at": ["x=3", "y=4"]}
FORMULAS = [
    ({**POLAR, "derivative": "jacobian"}, [["0.6", "0.7999999999999999"], ["-0.16", "0.12"]]),
    ({**POLAR, "derivative": "jacobian", "wrt": "x", "mode": "rev"}, [["0.6"], ["-0.16"]]),
    ({"formulas": "x**2*y", "at": ["x=3", "y=2"], "derivative": "gradient"}, [["12.0"], ["9.0"]]),
    (
        {"formulas": "f = x**2*y", "at": ["x=3", "y=2"], "derivative": "hessian"},
        [["4.0", "6.0"], ["6.0", "0.0"]],
    ),
    ({**POLAR, "derivative": "jvp", "vector": "x: 1, y: 0"}, [["0.6"], ["-0.16"]]),
    ({**POLAR, "derivative": "vjp", "vector": "r: 0, theta: 25"}, [["-4.0"], ["3.0"]]),
    (
        {"formulas": "f = sum(x**3)", "at": "x=[1, 2]", "derivative": "hvp", "vector": "[1, 2]"},
        [["6.0"], ["24.0"]],
    ),
    ({"formulas": "s = x/3", "at": "x=1", "derivative": "evaluate", "dtype": "float32"},
     [["0.33333334"]]),
]  # fmt: skip


@pytest.mark.parametrize(("state", "expected"), FORMULAS)
def test_every_derivative_of_formulas_and_what_is_copied_of_it(
    page: Any, service: Server, state: dict[str, Any], expected: list[list[str]], tmp_path: Path
) -> None:
    tab.opened(page, service, **state)
    assert tab.error(page) == ""
    assert tab.numbers(page) == expected
    derivative = state["derivative"]
    # The command line, the YAML and the Python that it offers come to the same numbers.
    wanted = tab.data(tab.saved(page, "Download .json"))
    command = tab.copied(page, "cli").strip()
    assert command.startswith(f"jaccli {derivative} ")
    said = run(f"{sys.executable} -m {command} --format json")
    assert tab.data(said) == wanted
    (tmp_path / "model.yaml").write_text(tab.copied(page, "yaml"))
    said = run(f"{sys.executable} -m jaccli run {tmp_path}/model.yaml --format json")
    assert tab.data(said) == wanted
    program = tab.copied(page, "python").replace("print(model", "print(str(model")
    program = f"{program.rstrip()[:-1]}))"
    table = run(f"{sys.executable} -c '{program}'".replace("\\n", "\n"))
    assert all(number.removesuffix(".0") in table for row in expected for number in shown(row))
    # The link holds it all.
    again = page.context.new_page()
    again.goto(tab.copied(page, "link"))
    tab.settled(again)
    assert tab.numbers(again) == expected


def shown(row: list[str]) -> list[str]:
    return [f"{float(number):.6g}" for number in row]


def run(command: str) -> str:
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_digits_or_six(page: Any, service: Server) -> None:
    tab.opened(page, service, formulas="y = 1/x", at="x=3", derivative="jacobian")
    cell = page.locator(".derivative tbody td")
    assert cell.inner_text() == "-0.111111"
    page.check("#digits")
    assert cell.inner_text() == "-0.1111111111111111"
    assert page.locator(".value tbody td").inner_text() == "0.3333333333333333"


def test_inputs_follow_the_formulas_and_keep_their_values(page: Any, service: Server) -> None:
    tab.opened(page, service, formulas="y = a*x", at=["a=2", "x=5"], derivative="jacobian")
    page.fill("#formulas", "u = a + sin(b)\ny = u*x + pi + sum(c, axis=0)\n# a comment: q")
    names = page.locator("#inputs tbody td:first-child").all_inner_texts()
    assert names == ["a", "b", "x", "c"]
    assert page.input_value("#at-x") == "5"
    page.fill("#formulas", "y = x")
    page.fill("#formulas", "y = a*x")
    assert page.input_value("#at-a") == "2"


def test_it_computes_while_one_types_and_keeps_what_was_right(page: Any, service: Server) -> None:
    tab.opened(page, service, formulas="y = x**2", at="x=3", derivative="jacobian")
    page.fill("#at-x", "4")
    page.wait_for_selector(".derivative td[data-number='8.0']", timeout=tab.PATIENCE)
    page.fill("#formulas", "y = x**")
    page.wait_for_selector("#error:visible", timeout=tab.PATIENCE)
    assert "breaks off" in tab.error(page)
    assert tab.numbers(page) == [["8.0"]]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"formulas": "y = arctn(x)", "at": "x=1"}, "'arctn' is not a function."),
        ({"formulas": "y = x", "at": "x=[1, 2"}, "not YAML"),
        ({"formulas": "y = x\nx + 1", "at": "x=1"}, "Formulas, line 2: give it a name"),
        ({"formulas": "", "at": "x=1"}, "Formulas: write one"),
        ({"formulas": "y = x", "at": "x=@x.npy"}, "names the file 'x.npy'"),
        ({"formulas": "y = w @ x", "at": ["w={ones: [4, 5]}", "x={ones: 6}"]}, "do not fit"),
        ({"yaml": "model: {expression: x}\ninputs: {x: 1}\nmodes: fwd\n"}, "Did you mean 'mode'?"),
        ({"yaml": "model: {python: 'os:system'}\n"}, "python"),
        ({"yaml": "model: {expression: x}\ninputs: {x: 1}\nsweep: {inputs.x: [1, 2]}"}, "sweep"),
    ],
)
def test_mistakes_are_said_with_their_place(
    page: Any, service: Server, state: dict[str, Any], said: str
) -> None:
    assert tab.opened(page, service, **state, derivative="jacobian").startswith("No result")
    assert said in tab.error(page)
    assert "<stdin>" not in tab.error(page)


def test_a_caret_stands_below_what_is_wrong(page: Any, service: Server) -> None:
    tab.opened(page, service, formulas="y = 2 * arctn(x)", at="x=1", derivative="jacobian")
    _, line, caret, hint = tab.error(page).splitlines()
    assert line[caret.index("^") : caret.rindex("^") + 1] == "arctn"
    assert hint == "Did you mean 'arctan'?"
    tab.opened(page, service, yaml="model:\n  expression: 2 * arctn(x)\ninputs: {x: 1}\n")
    assert tab.error(page).startswith("line 2, column 19: model.expression: 'arctn'")


def test_warnings(page: Any, service: Server) -> None:
    said = tab.opened(page, service, formulas="f = abs(x)", at="x=0", derivative="gradient")
    assert "1 warning." in said
    warning = page.inner_text(".warning")
    assert "abs(x)" in warning
    assert "^" in warning


def test_plan_and_check(page: Any, service: Server) -> None:
    tab.opened(page, service, **POLAR, derivative="jacobian")
    page.click("#plan")
    page.wait_for_selector(".report")
    assert "2 inputs, 2 outputs" in page.inner_text(".report")
    page.click("#check")
    page.wait_for_function(
        "() => document.querySelector('.report')?.textContent.includes('verdict')"
    )
    assert "verdict" in page.inner_text(".report")
    assert "FAIL" not in page.inner_text(".report")


def test_files(page: Any, service: Server, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([1.0, 2.0, 3.0]))
    (tmp_path / "data.csv").write_text("time;level\n0,5;10\n1,5;20\n2,5;30\n")
    page.goto(tab.url(service))
    tab.settled(page)
    page.uncheck("#typing")
    page.fill("#formulas", "y = x * t")
    page.set_input_files("#files", [str(tmp_path / "x.npy"), str(tmp_path / "data.csv")])
    assert page.input_value("#at-x") == "@x.npy"  # an input that is called as the file is
    page.fill("#at-t", "@data.csv:time")
    page.uncheck("#wrt-t")
    page.click("#compute")
    tab.settled(page)
    assert tab.error(page) == ""
    assert tab.numbers(page) == [
        ["0.5", "0.0", "0.0"],
        ["0.0", "1.5", "0.0"],
        ["0.0", "0.0", "2.5"],
    ]
    found = np.load(io.BytesIO(tab.saved(page, "Download .npy")))
    assert np.array_equal(found, np.diag([0.5, 1.5, 2.5]))
    page.click("text=×")
    page.click("#compute")
    tab.settled(page)
    assert "Add it under Files" in tab.error(page)


def test_numbers_that_are_no_numbers(page: Any, service: Server) -> None:
    state = {"formulas": "y = where(x > 0, log(x), x/0)", "at": "x=[-1, 1]"}
    tab.opened(page, service, **state, derivative="jacobian")
    assert page.locator("td.bad").count() > 0
    assert "Warning" in page.inner_text(".warning") or "finite" in page.inner_text(".warning")


def test_large_results_are_abbreviated_and_saved_whole(page: Any, service: Server) -> None:
    state = {"formulas": "y = sin(outer(x, x)) @ x", "at": "x={linspace: [0, 1, 300]}"}
    tab.opened(page, service, **state, derivative="jacobian")
    assert "…" in page.locator(".derivative tbody").inner_text()
    assert page.locator(".derivative td").count() < 6000
    found = np.load(io.BytesIO(tab.saved(page, "Download .npy")))
    x = np.linspace(0, 1, 300)
    c = np.cos(np.outer(x, x))
    expected = np.sin(np.outer(x, x)) + c * np.outer(x, x) + np.diag(c @ x**2)
    assert np.allclose(found, expected, rtol=1e-10, atol=1e-12)
    page.focus("canvas")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    name, value = page.inner_text("figcaption").split(": ")
    row, column = (int(part.split("[")[1].rstrip("]")) for part in name.split(", "))
    part = found[row : row + 4, column : column + 4]
    assert float(value) == pytest.approx(part.flat[np.abs(part).argmax()], rel=0.02)


def test_completion_of_yaml(page: Any, service: Server) -> None:
    page.goto(tab.url(service))
    tab.settled(page)
    page.uncheck("#typing")
    page.check("[name=kind][value=yaml]")
    page.fill("#yaml", "")
    page.focus("#yaml")
    page.keyboard.type("model:\n  expre")
    page.wait_for_selector("#completions li")
    assert page.locator("#completions b").all_inner_texts() == ["expression:", "expressions:"]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.keyboard.type("x**2\ninputs: {x: 3}\nderivative: hess")
    page.wait_for_selector("#completions li")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    assert page.input_value("#yaml").endswith("derivative: hessian")
    page.keyboard.type("\n")
    page.keyboard.press("Control+Space")
    page.wait_for_selector("#completions li")
    offered = page.locator("#completions b").all_inner_texts()
    page.keyboard.press("ArrowUp")  # to the last ones
    offered += page.locator("#completions b").all_inner_texts()
    assert {"wrt:", "sweep:"} <= set(offered)
    assert not {"model:", "inputs:", "derivative:"} & set(offered)
    page.keyboard.press("Escape")
    assert page.locator("#completions").is_hidden()
    page.keyboard.press("Control+Enter")
    tab.settled(page)
    assert tab.numbers(page) == [["2.0"]]


def test_the_keyboard_alone(page: Any, service: Server) -> None:
    page.goto(tab.url(service))
    tab.settled(page)
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the result"
    reached = set()
    for _ in range(60):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"formulas", "at-x", "wrt-x", "files", "derivative", "mode", "dtype", "compute", "plan",
            "check", "typing", "digits"} <= reached  # fmt: skip
    page.focus("#formulas")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "at-x"  # a field of text lets go


def files_of(folder: Path) -> Path:
    np.save(folder / "x.npy", np.array([1.0]))
    return folder / "x.npy"


def test_ten_megabytes_pasted(page: Any, service: Server, tmp_path: Path) -> None:
    page.goto(tab.url(service))
    tab.settled(page)
    page.evaluate(
        "() => { const field = document.getElementById('formulas');"
        " field.value = 'y = ' + 'x + '.repeat(2500000) + 'x';"
        " field.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    page.click("#compute")
    assert tab.settled(page) == "No result."
    assert len(tab.error(page)) < 2000
    page.set_input_files("#files", [str(files_of(tmp_path))])
    page.click("#compute")
    assert tab.settled(page) == "No result."
    page.check("[name=kind][value=yaml]")
    page.evaluate(
        "() => { const field = document.getElementById('yaml'); field.value ="
        " 'model: {expression: x}\\ninputs:\\n  x: [' + '1, '.repeat(3300000) + '1]\\n';"
        " field.dispatchEvent(new Event('input', {bubbles: true})); }"
    )
    page.click("#compute")
    tab.settled(page)
    assert page.is_enabled("#compute")
    page.fill("#yaml", "model: {expression: x**2}\ninputs: {x: 3}\n")
    page.click("#compute")
    tab.settled(page)
    assert tab.numbers(page) == [["6.0"]]


def test_two_tabs(page: Any, service: Server) -> None:
    other = page.context.new_page()
    tab.opened(page, service, formulas="y = x**2", at="x=3", derivative="jacobian")
    tab.opened(other, service, formulas="y = x**3", at="x=2", derivative="jacobian")
    page.fill("#at-x", "5")
    other.fill("#at-x", "1")
    page.click("#compute")
    other.click("#compute")
    tab.settled(page)
    tab.settled(other)
    assert (tab.numbers(page), tab.numbers(other)) == ([["10.0"]], [["3.0"]])


def test_a_closed_service_loses_nothing(page: Any, tmp_path: Path) -> None:
    with serving(["--port", "0", "--workers", "1"], tmp_path) as server:
        tab.opened(page, server, formulas="y = x**2", at="x=3", derivative="jacobian")
        port = server.port
    page.uncheck("#typing")
    page.fill("#at-x", "7")
    page.click("#compute")
    assert tab.settled(page) == "No result."
    assert "does not answer" in tab.error(page)
    assert tab.numbers(page) == [["6.0"]]
    with serving(["--port", str(port), "--workers", "1"], tmp_path):
        page.click("#compute")
        tab.settled(page)
        assert tab.numbers(page) == [["14.0"]]


def test_cancel(page: Any, service: Server) -> None:
    page.goto(tab.url(service))
    tab.settled(page)
    page.uncheck("#typing")
    page.fill("#formulas", "y = sum(eigvalsh(outer(x, x) + eye(3000)))")
    page.fill("#at-x", "{linspace: [0, 1, 3000]}")
    page.select_option("#derivative", "gradient")
    page.click("#compute")
    page.wait_for_timeout(300)
    page.click("#cancel")
    assert tab.settled(page) == "Cancelled."
    page.fill("#formulas", "y = sum(x)")
    page.fill("#at-x", "[1, 2]")
    page.click("#compute")
    tab.settled(page)
    assert tab.numbers(page) == [["1.0"], ["1.0"]]


def test_a_token(page: Any, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("correct-horse-battery\n")
    arguments = ["--port", "0", "--workers", "1", "--token-file", str(tmp_path / "token")]
    with serving(arguments, tmp_path) as server:
        tab.opened(page, server, formulas="y = x**2", at="x=3", derivative="jacobian")
        assert "token" in tab.error(page)
        page.fill("#token", "correct-horse-battery")
        page.keyboard.press("Enter")
        page.wait_for_selector(".derivative", timeout=tab.PATIENCE)
        assert tab.numbers(page) == [["6.0"]]
        assert "battery" not in page.url


def test_a_link_from_elsewhere_waits_for_a_press(page: Any, service: Server) -> None:
    target = tab.url(service, formulas="y = x**2", at="x=3", derivative="jacobian")
    page.route("http://elsewhere.example/", lambda route: route.fulfill(
        content_type="text/html", body=f'<a href="{target}">a model</a>'))  # fmt: skip
    page.goto("http://elsewhere.example/")
    page.click("text=a model")
    page.wait_for_selector("#status:not(:empty)")
    assert "if you trust it" in page.inner_text("#status")
    page.wait_for_timeout(500)
    assert page.locator(".derivative").count() == 0
    page.click("#compute")
    tab.settled(page)
    assert tab.numbers(page) == [["6.0"]]


def test_copies_run_nothing_but_what_they_say(page: Any, service: Server, tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    spec = (
        "model: {expression: x**2}\ninputs: {x: 3}\n"
        f'description: "a\nEND\n touch {touched}\n: <<X\n"\n'
    )
    tab.opened(page, service, yaml=spec, derivative="jacobian")
    assert tab.numbers(page) == [["6.0"]]
    run(f"cd {tmp_path}; PATH={Path(sys.executable).parent}:$PATH; {tab.copied(page, 'cli')}")
    for value in (
        f"'\\' '+str(__import__(\"os\").system(\"touch {touched}\"))+' '",
        f"$(touch {touched})",
        f"`touch {touched}`",
        f"1 # '; touch {touched}",
        f"'); __import__('os').system('touch {touched}') #",
    ):
        tab.opened(page, service, formulas="y = x**2", at=f"x={value}", derivative="jacobian")
        for what, how in (("cli", ["bash"]), ("python", [sys.executable])):
            text = tab.copied(page, what)
            subprocess.run(how, input=text, text=True, cwd=tmp_path, capture_output=True,
                           env={"PATH": str(Path(sys.executable).parent) + ":/usr/bin:/bin"},
                           timeout=60, check=False)  # fmt: skip
        assert not touched.exists(), value


@pytest.mark.parametrize(
    ("value", "expected"),
    [("2 * pi", 12.566370614359172), ("[pi]", 6.283185307179586), ("1/3", 2 / 3), ("0x10", 32.0),
     ("3 # c", 6.0), ("-1e-3", -0.002), ("{value: 2}", 4.0), ('"2"', None),
     ("{linspace: [2, 2, 1]}", 4.0)],
)  # fmt: skip
def test_python_copies_of_odd_values(
    page: Any, service: Server, value: str, expected: float | None, tmp_path: Path
) -> None:
    tab.opened(page, service, formulas="y = sum(x**2)", at=f"x={value}", derivative="gradient")
    if tab.error(page):
        assert expected is None or value in ("0x10", "[pi]"), tab.error(page)
        return
    assert float(tab.numbers(page)[0][0]) == expected
    done = subprocess.run([sys.executable, "-c", tab.copied(page, "python")], cwd=tmp_path,
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert f"{expected:.6g}" in done.stdout


def test_a_file_is_taken_by_its_whole_name(page: Any, service: Server, tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.array([1.0, 2.0]))
    np.save(tmp_path / "é.npy", np.array([3.0]))
    page.goto(tab.url(service))
    tab.settled(page)
    page.uncheck("#typing")
    page.set_input_files("#files", [str(tmp_path / "x.npy"), str(tmp_path / "é.npy")])
    page.check("[name=kind][value=yaml]")
    for name, numbers in (
        ("x.npy", ["2.0", "4.0"]),
        ("data/x.npy", ["2.0", "4.0"]),
        ("sub/é.npy", ["6.0"]),
        ("a-x.npy", None),
        ("a.x.npy", None),
        ("x.npy.npy", None),
    ):
        page.fill("#yaml", "# of x.npy\nmodel: {expression: sum(a**2)}\n"
                  f"inputs: {{a: {{file: {name}}}}}\nderivative: gradient\n")  # fmt: skip
        page.click("#compute")
        tab.settled(page)
        if numbers is None:
            assert f"names the file '{name}'" in tab.error(page)
        else:
            assert tab.error(page) == ""
            assert [row[0] for row in tab.numbers(page)] == numbers
    page.fill(
        "#yaml", "model: {expression: sum(a*b)}\ninputs: {a: {file: p/x.npy}, b: {file: q/x.npy}}\n"
    )
    page.click("#compute")
    tab.settled(page)
    assert "p/x.npy and q/x.npy" in tab.error(page)


def test_what_is_old_is_said(page: Any, service: Server) -> None:
    tab.opened(page, service, formulas="y = x**2", at="x=3", derivative="jacobian")
    page.uncheck("#typing")
    page.fill("#at-x", "4")
    assert page.inner_text("#status") == "Changed: press Compute."
    assert page.locator("#result.stale").count() == 1
    page.click("#compute")
    tab.settled(page)
    assert page.locator("#result.stale").count() == 0


def test_texts_and_comments_name_no_inputs(page: Any, service: Server) -> None:
    formulas = 'y = einsum("ij,j->i", A, x)  # a note about z'
    at = ["A=[[1, 2], [3, 4]]", "x=[1, 1]"]
    tab.opened(page, service, formulas=formulas, at=at, wrt="x", derivative="jacobian")
    assert page.locator("#inputs tbody td:first-child").all_inner_texts() == ["A", "x"]
    assert tab.numbers(page) == [["1.0", "2.0"], ["3.0", "4.0"]]
    page.uncheck("#wrt-x")
    page.click("#compute")
    tab.settled(page)
    assert "at least one input" in tab.error(page)


def test_a_link_does_not_depend_on_what_was_open_before(page: Any, service: Server) -> None:
    tab.opened(page, service, formulas="y = x**2", at="x=3", derivative="jacobian")
    page.evaluate("location.hash = '#formulas=y+%3D+x**2&derivative=jacobian'")
    page.wait_for_selector(".derivative td[data-number='2.0']")
    page.keyboard.press("Control+Home")
    page.focus(".skip")
    page.keyboard.press("Enter")
    assert "formulas=" in page.url
    assert page.evaluate("document.activeElement.id") == "result"


def test_texts_are_no_markup(page: Any, service: Server) -> None:
    page.on("dialog", lambda dialog: pytest.fail("a script ran"))
    spec = "model:\n  expressions: {'<img src=x onerror=alert(1)>': x}\ninputs: {x: 1}\n"
    tab.opened(page, service, yaml=spec)
    assert "<img" in tab.error(page)
    assert page.locator("#error img").count() == 0
