"""The report in a real browser, from disk, with the network off: search, keyboard, no errors, readable by all."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from report_contents import made_content

from dapatlas.publish.report import report_page

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
CHROMIUM = next((path for name in BROWSERS if (path := shutil.which(name))), None)
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason=f"needs one of {', '.join(BROWSERS)}"),
    # closing a browser leaves its pipes to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
CASES, FINDINGS = 40, 8


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_text(report_page(made_content(CASES, findings=FINDINGS)), "utf-8")
    return path


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Any, report: Path, request: pytest.FixtureRequest) -> Iterator[Any]:
    """The report, open; whatever the console says against it, or whatever it asks the network for, fails the test."""
    options = {"viewport": {"width": 1280, "height": 900}, "offline": True, **getattr(request, "param", {})}
    context = chromium.new_context(**options)
    opened, said, asked = context.new_page(), [], []
    opened.on("console", lambda message: said.append(message.text))
    opened.on("pageerror", lambda error: said.append(str(error)))
    opened.on("request", lambda request: asked.append(request.url))
    opened.goto(report.as_uri())
    yield opened
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith("data:")] == [report.as_uri()]


def shown(page: Any) -> list[str]:
    return page.locator("#found tbody tr").all_inner_texts()


def active(page: Any, script: str) -> Any:
    return page.evaluate(f"(() => {{ const it = document.activeElement; return {script}; }})()")


def test_findings_are_filtered_by_text_severity_structure_and_code(page: Any) -> None:
    everything = page.evaluate("JSON.parse(document.getElementById('cohort-data').textContent)")
    told = [row for row in everything["findings"] if row[1] < 2]
    assert f"{len(told)} findings of {len(everything['findings'])}" == page.inner_text("#shown")
    assert len(shown(page)) == min(100, len(told))

    code = everything["words"][told[0][2]]
    page.fill("#by-text", code.upper())
    own = [row for row in told if code in f"{everything['words'][row[2]]} {row[4]}"]
    assert page.inner_text("#shown").startswith(f"{len(own)} finding")
    assert all(code in text for text in shown(page))

    page.click("button[type=reset]")
    page.uncheck("input[value='1']")
    errors = [row for row in told if row[1] == 0]
    assert page.inner_text("#shown").startswith(f"{len(errors)} finding")
    assert {text.split()[0] for text in shown(page)} <= {"error"}

    page.click("button[type=reset]")
    link = page.locator("a[data-structure]").first
    name = link.inner_text()
    link.click()
    page.wait_for_function("() => document.querySelector('#by-structure').value !== ''")
    assert all(name in text for text in shown(page))


def test_more_rows_come_on_demand_and_the_focus_goes_to_the_first_new_one(page: Any) -> None:
    page.focus("#more")
    page.keyboard.press("Enter")
    assert len(shown(page)) == 200
    assert active(page, "it.closest('tr').dataset.finding") == page.locator("#found tbody tr").nth(
        100
    ).get_attribute("data-finding")


def test_a_row_opens_to_its_picture(page: Any) -> None:
    page.focus("#found tbody tr:first-child summary")
    page.keyboard.press("Enter")
    image = page.locator("#found tbody tr:first-child img")
    assert image.is_visible()
    page.wait_for_function(
        "() => document.querySelector('#found tbody tr:first-child img').naturalWidth === 672"
    )
    assert "Somebody 2001" in page.locator("#found tbody tr:first-child dl").inner_text()


def test_a_case_is_searched_and_opened_by_keyboard_alone(page: Any) -> None:
    page.focus("#by-case")
    page.keyboard.type("autopet_0000000007")
    assert page.inner_text("#cases-shown") == "1 case"
    page.keyboard.press("Tab")
    assert active(page, "it.closest('details').id") == "case-7"
    assert page.locator("#case-7 .under").count() == 0  # nothing is made before it is looked at
    page.keyboard.press("Enter")
    page.wait_for_selector("#case-7[open] .under")
    text = page.inner_text("#case-7")
    assert "beside the cohort" in text
    assert "What the guidelines changed: 1 of 1" in text
    page.fill("#by-case", "male")
    assert all(
        "female" not in text for text in page.locator("details.case:visible > summary").all_inner_texts()
    )


def test_a_link_to_a_case_opens_it_even_when_a_search_hid_it(page: Any) -> None:
    page.fill("#by-case", "nothing like it")
    page.locator("#found a[href^='#case-']").first.click()
    number = page.evaluate("location.hash.slice(6)")
    page.wait_for_selector(f"#case-{number}[open] .under")
    assert active(page, "it.closest('details').id") == f"case-{number}"


def test_arrow_keys_go_from_the_smallest_case_to_the_largest(page: Any) -> None:
    page.locator("#cohort").scroll_into_view_if_needed()
    page.wait_for_selector(".strips .plot[role=slider]")
    page.focus(".strips .plot[role=slider]")
    page.keyboard.press("Home")
    first = active(page, "it.getAttribute('aria-valuetext')")
    ratios = [float(first.split(" × the median")[0].split()[-1])]
    for _ in range(3):
        page.keyboard.press("ArrowRight")
        told = active(page, "it.getAttribute('aria-valuetext')")
        ratios.append(float(told.split(" × the median")[0].split()[-1]))
    assert ratios == sorted(ratios)
    assert page.inner_text("#tip") == told
    page.keyboard.press("Enter")
    case = told.split(":")[0]
    assert case in page.locator("details.case[open]").inner_text()


def test_structures_without_findings_are_folded_away_on_demand(page: Any) -> None:
    rows = page.locator(".strips tbody tr:visible")
    before = rows.count()
    page.check("#odd-only")
    assert 0 < rows.count() < before
    assert rows.count() == page.locator(".strips tbody tr:has(.ring)").count()


@pytest.mark.parametrize("page", [{"java_script_enabled": False}], indirect=True)
def test_the_table_needs_no_script(page: Any) -> None:
    assert len(shown(page)) > 100
    page.locator("#found tbody tr:first-child summary").click()
    assert page.locator("#found tbody tr:first-child img").is_visible()
    assert page.locator(".filters").is_hidden()
    assert "need JavaScript" in page.inner_text("#findings")


@pytest.mark.parametrize(
    "page", [{"viewport": {"width": width, "height": 900}} for width in (1280, 800, 420)], indirect=True
)
def test_nothing_runs_off_the_page(page: Any) -> None:
    page.locator("#found tbody tr:first-child summary").click()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_where_the_focus_is_can_be_seen(page: Any) -> None:
    for _ in range(12):
        page.keyboard.press("Tab")
        assert active(page, "getComputedStyle(it).outlineStyle") == "solid"
        assert float(active(page, "getComputedStyle(it).outlineWidth").removesuffix("px")) >= 2


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing(chromium: Any, tmp_path: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    path = tmp_path / "report.html"
    path.write_text(report_page(made_content(21, structures=12, findings=2, pictures=2)), "utf-8")
    page = chromium.new_page(color_scheme=scheme, bypass_csp=True)
    page.goto(path.as_uri())
    page.locator("#found tbody tr:first-child summary").click()
    page.locator("#case-0 > summary").click()
    for summary in page.locator("#case-0 .under > details > summary").all():
        summary.click()
    violations = axe.Axe().run(page).response["violations"]
    page.close()
    assert [(one["id"], [node["html"][:120] for node in one["nodes"]][:3]) for one in violations] == []
