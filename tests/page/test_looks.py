"""How the page looks: for people who do not see it (axe-core), and in pictures for those who do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.page import tab
from tests.service.servers import Server

ARM = {
    "formulas": "x = cos(q[0]) + cos(q[0] + q[1]) + 0.5*cos(sum(q))\n"
    "y = sin(q[0]) + sin(q[0] + q[1]) + 0.5*sin(sum(q))",
    "at": "q=[0.4, 0.9, -0.3]",
    "derivative": "jacobian",
}
WRONG = {"formulas": "r = sqrt(x**2 + y**2)\ntheta = arctn2(y, x)", "at": ["x=3", "y=4"]}
MAP = {
    "formulas": "y = softmax(weight @ x + bias)",
    "at": ["weight={random: normal, shape: [24, 24], seed: 1}", "bias={zeros: 24}",
           "x={random: normal, shape: 24, seed: 2}"],
    "wrt": "x",
    "derivative": "jacobian",
}  # fmt: skip
WARNED = {"formulas": "f = abs(x) + sqrt(y)", "at": ["x=0", "y=0"], "derivative": "gradient"}
SPEC = {"yaml": "model:\n  expression: R / (1 + alpha*(t - t0))\n"
        "inputs: {R: 113.2, t: 36.4, t0: 20, "
        "alpha: 3.9e-3}\nuncertainty: {R: 0.05, t: 0.2}\nderivative: propagate\n"}  # fmt: skip
LOOKS: dict[str, tuple[dict[str, Any], str, tuple[int, int]]] = {
    "page-light": (ARM, "light", (1280, 760)),
    "page-dark": (ARM, "dark", (1280, 760)),
    "page-phone": (ARM, "light", (390, 844)),
    "page-error": (WRONG, "light", (1280, 620)),
    "page-heat-map": (MAP, "light", (1280, 1400)),
    "page-heat-map-dark": (MAP, "dark", (1280, 1400)),
    "page-warning": (WARNED, "dark", (1280, 760)),
    "page-spec": (SPEC, "light", (1280, 800)),
    "page-phone-dark": (SPEC, "dark", (390, 844)),
}


@pytest.mark.parametrize("name", LOOKS)
def test_axe_finds_nothing(page: Any, service: Server, pictures: Path, name: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    state, scheme, (width, height) = LOOKS[name]
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)
    tab.opened(page, service, **state)
    page.screenshot(path=str(pictures / f"{name}.png"), full_page=name.startswith("page-phone"))
    page.evaluate("() => document.querySelectorAll('details').forEach(one => { one.open = true; })")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    wide = page.evaluate("() => document.documentElement.scrollWidth > innerWidth")
    assert not wide, "the page is wider than the window"


def test_axe_finds_nothing_in_other_states(page: Any, service: Server) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright")
    name = "a_name_of_an_input_that_is_forty_letters_l"
    for width, scheme in ((320, "light"), (1280, "dark"), (1280, "light")):
        page.set_viewport_size({"width": width, "height": 800})
        page.emulate_media(color_scheme=scheme)
        tab.opened(page, service, formulas=f"y = -{name}*[0, 1, 2]", at=f"{name}=2",
                   derivative="jacobian")  # fmt: skip
        page.uncheck("#typing")
        page.fill("#formulas", f"z = {name}")  # what is shown is old
        assert axe.Axe().run(page).violations_count == 0
        assert not page.evaluate("() => document.documentElement.scrollWidth > innerWidth"), width
        page.check("[name=kind][value=yaml]")
        page.fill("#yaml", "")
        page.focus("#yaml")
        page.keyboard.press("Control+Space")
        page.wait_for_selector("#completions li")
        found = axe.Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
    page.goto(f"http://127.0.0.1:{service.port}/docs")
    found = axe.Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
