"""The review in a real browser: a planted fault is found, judged, exported; nothing is lost on the way."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import CHROMIUM, DESKTOP, FLAGS, TABLET, Site, Watch, active, overflow, ready, saved, served

from dapatlas.dataset import Dataset
from dapatlas.labels import dap
from dapatlas.phantom import ErrorKind, read_planted
from dapatlas.review.accounts import Role
from dapatlas.review.server.settings import Mode
from dapatlas.review.verdict import Content, Decision, Kind, Mark, MarkKind
from dapatlas.volumes import read_label_map, write_label_map

sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"),
    # closing a browser leaves its pipes to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"),
]
PASSWORD = "correct horse battery"
Voxel = tuple[int, int, int]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    with sync_api.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Coarse volumes, made once for all tests: they go by content."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def site(atlas: Path, sqlite_url: str, cache: Path) -> Iterator[Site]:
    with served(atlas, sqlite_url, cache) as running:
        yield running


@pytest.fixture
def watching(chromium: Any) -> Iterator[Callable[..., Watch]]:
    """Opens browser contexts; whatever their pages say against themselves fails the test."""
    watches = []
    with ExitStack() as stack:

        def watch(site: Site, reader: str | None = None, *, pictures: bool = True, **options: Any) -> Watch:
            context = chromium.new_context(**{"viewport": DESKTOP, "accept_downloads": True, **options})
            stack.callback(context.close)
            context.set_default_timeout(20_000)
            if reader:
                context.add_init_script(f"localStorage.setItem('dapatlas.reader', '\"{reader}\"')")
            if not pictures:  # a browser without WebGL: all but the pictures works, and quickly
                context.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
            watches.append(Watch(context, site, pictures))
            return watches[-1]

        yield watch
    for each in watches:
        each.check()


def label_at(site: Site, case: str, voxel: Voxel) -> int:
    return int(read_label_map(site.atlas / f"masks/{case}.nii.gz").array[voxel])


def crosshair(page: Any) -> Voxel:
    words = page.inner_text(".readout").split("Voxel ")[1].split(" HU")[0]
    i, j, k = (int(word.strip(" ,≈")) for word in words.replace("\n", " ").split()[:3])
    return i, j, k


def downloaded(page: Any, word: str) -> str:
    with page.expect_download() as coming:
        page.click(f"a.button:text-is('{word}')")
    return Path(coming.value.path()).read_text("utf-8")


def row(page: Any, case: str) -> str:
    return str(page.locator("tbody tr", has=page.locator(f"a[data-case='{case}']")).inner_text())


def find_a_fault_and_reject_it(site: Site, watch: Watch) -> None:
    """From the queue to the export: what the reader says of an error that was planted."""
    page = watch.page()
    page.wait_for_selector("tbody a")
    case = page.locator("tbody a").first.get_attribute("data-case")  # the worst comes first
    errors = [error for error in read_planted(site.atlas, case) if error.kind is ErrorKind.STRAY_ISLANDS]
    planted = {
        tuple(map(int, at))
        for at in zip(*np.unravel_index(errors[0].indices, errors[0].shape, order="F"), strict=True)
    }
    name = errors[0].structures[0]
    page.locator("tbody a").first.click()
    ready(page)

    finding = next(
        one for one in checked(site, case) if one["code"] == "out-of-place" and one["structure"] == name
    )
    page.click(f".findings button:has-text('{finding['message'][:30]}')")
    page.wait_for_selector(f".under:has-text('{dap()[name].display_name}')")
    at = crosshair(page)
    assert all(start <= i < stop for i, (start, stop) in zip(at, finding["box"], strict=True))
    assert at in planted
    assert label_at(site, case, at) == dap()[name].id

    page.keyboard.press("m")
    assert page.input_value(".mark-form [list]") == dap()[name].display_name
    page.get_by_label("Wrong identity", exact=True).check()
    page.get_by_label("Note").fill('an island of bladder; ümlaut, "quotes", comma')
    page.click("text=Add the mark")
    page.keyboard.press("x")
    page.get_by_role("textbox", name="Remarks").fill("not to be trained on")
    saved(page)
    page.wait_for_selector(".case-head .rejected")
    page.click(
        f".findings button:has-text('{finding['message'][:30]}')"
    )  # what the head is drawn with still works

    page.click("nav >> text=Cases")
    page.wait_for_selector("tbody a")
    assert "Rejected" in row(page, case)
    assert "1 of 1" in row(page, case)
    rows = list(csv.DictReader(io.StringIO(downloaded(page, "CSV"))))
    told = json.loads(downloaded(page, "JSON"))
    assert_exported(rows, told, case, name, at)


def assert_exported(rows: list[dict[str, str]], told: Any, case: str, name: str, at: Voxel) -> None:
    note = 'an island of bladder; ümlaut, "quotes", comma'
    own = [one for one in rows if one["case"] == case and one.get("structure") == name]
    assert len(own) == 1
    assert (own[0]["decision"], own[0]["note"]) == ("reject", note)
    verdicts = [one for one in told["verdicts"] if one["case"] == case]
    assert [(one["reader"], one["decision"], one["remarks"]) for one in verdicts] == [
        ("reader-1", "reject", "not to be trained on")
    ]
    assert verdicts[0]["marks"] == [
        {"structure": name, "kind": "wrong_identity", "note": note, "point": list(at), "box": None}
    ]


def checked(site: Site, case: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((site.atlas / f"reports/check/{case}.json").read_text())[
        "findings"
    ]
    return found


@pytest.mark.parametrize("database", ["sqlite_url", "postgres_url"])
def test_a_planted_fault_is_found_rejected_and_exported(
    database: str, request: pytest.FixtureRequest, atlas: Path, cache: Path, watching: Callable[..., Watch]
) -> None:
    with served(atlas, request.getfixturevalue(database), cache) as site:
        find_a_fault_and_reject_it(site, watching(site))


def test_undo_goes_back_over_what_was_saved_and_history_brings_it_back(
    site: Site, watching: Callable[..., Watch]
) -> None:
    case = site.cases[0]
    page = watching(site, pictures=False).case(case)

    def stored() -> Content:
        saved(page)
        verdict = site.store.verdict(case, "reader-1", Kind.READING)
        assert verdict is not None
        return verdict.content

    page.keyboard.press("a")
    assert stored().decision is Decision.APPROVE
    page.get_by_role("textbox", name="Remarks").fill("fine")
    page.keyboard.press("Control+s")
    page.wait_for_function(
        "() => document.querySelector('.verdict summary').textContent.includes('2 versions')"
    )
    page.focus(".add-mark")
    page.keyboard.press("Control+z")
    page.wait_for_function(
        "() => document.querySelector('.verdict summary').textContent.includes('3 versions')"
    )
    assert stored() == Content(Decision.APPROVE)
    page.keyboard.press("Control+Shift+z")
    page.wait_for_function(
        "() => document.querySelector('.verdict summary').textContent.includes('4 versions')"
    )
    assert stored() == Content(Decision.APPROVE, "fine")
    page.click("[aria-label=Undo]")
    page.click("[aria-label=Undo]")
    page.wait_for_function(
        "() => document.querySelector('.verdict summary').textContent.includes('5 versions')"
    )
    assert stored() == Content()

    page.click(".verdict summary")
    page.click("[aria-label='Restore version 2']")
    page.wait_for_function(
        "() => document.querySelector('.verdict summary').textContent.includes('6 versions')"
    )
    assert stored() == Content(Decision.APPROVE, "fine")
    assert page.input_value(".remarks-text") == "fine"
    assert len(site.store.history(case, "reader-1", Kind.READING)) == 6


@pytest.mark.parametrize("way", ["Keep mine", "Take theirs", "Keep mine, with their marks too"])
def test_of_two_pages_that_save_at_once_the_second_is_told_and_nothing_is_lost(
    way: str, site: Site, watching: Callable[..., Watch]
) -> None:
    case = site.cases[0]
    watch = watching(site, pictures=False)
    pages = (watch.case(case), watch.case(case))
    held: list[Any] = []

    def hold(route: Any) -> None:
        held.append(route)
        if len(held) < 2:
            return
        for each in held if len(held) == 2 else [route]:  # both are on their way
            each.continue_()

    watch.context.route("**/verdict", hold)
    said = {pages[0]: (Decision.APPROVE, "first words"), pages[1]: (Decision.REJECT, "second words")}
    for page, (decision, words) in said.items():
        page.evaluate(
            "(detail) => document.dispatchEvent(new CustomEvent('add-mark', {detail}))",
            {"structure": "liver", "kind": "leaks", "point": [1, 2, 3], "note": words},
        )
        page.keyboard.press("Enter")
        page.get_by_role("textbox", name="Remarks").fill(words)
        page.focus(".add-mark")
        page.keyboard.press(decision.value[0].replace("r", "x"))
    while not (told := [page for page in pages if page.locator(".conflict").count()]):
        pages[0].wait_for_timeout(20)
    (loser,) = told
    (winner,) = (page for page in pages if page is not loser)
    saved(winner)
    assert "another window" in loser.inner_text(".conflict")
    assert all(words in loser.inner_text(".conflict") for words in ("first words", "second words"))
    assert (409, f"/api/cases/{case}/verdict") in watch.refused

    mine, theirs = said[loser], said[winner]
    loser.click(f"button:text-is('{way}')")
    saved(loser)
    now = site.store.verdict(case, "reader-1", Kind.READING)
    assert now is not None
    assert (now.content.decision, now.content.remarks) == (theirs if way == "Take theirs" else mine)
    notes = [mark.note for mark in now.content.marks]
    assert notes == {"Keep mine": [mine[1]], "Take theirs": [theirs[1]]}.get(way, [mine[1], theirs[1]])
    if way == "Take theirs":  # and back to one's own
        loser.click("[aria-label=Undo]")
        loser.wait_for_function(f"() => document.querySelector('.remarks-text').value === '{mine[1]}'")
        saved(loser)
    past = [
        (one.content.decision, one.content.remarks)
        for one in site.store.history(case, "reader-1", Kind.READING)
    ]
    assert theirs in past
    assert past[-1] == mine


def test_what_could_not_be_saved_is_tried_again_and_outlives_the_page(
    site: Site, watching: Callable[..., Watch]
) -> None:
    case = site.cases[0]
    watch = watching(site, pictures=False)
    page = watch.case(case)
    watch.context.set_offline(True)
    page.get_by_role("textbox", name="Remarks").fill("written on a train")
    page.wait_for_selector("[data-state=failed]")
    page.keyboard.press("End")  # only who has touched a page is asked
    with page.expect_event("dialog") as asked:
        page.close(run_before_unload=True)
    assert asked.value.type == "beforeunload"
    asked.value.dismiss()
    assert page.input_value(".remarks-text") == "written on a train"
    page.close()  # as a crash would: nothing is asked

    watch.context.set_offline(False)
    page = watch.case(case)
    page.wait_for_selector(".toast:has-text('brought back')")
    assert page.input_value(".remarks-text") == "written on a train"
    saved(page)
    verdict = site.store.verdict(case, "reader-1", Kind.READING)
    assert verdict is not None
    assert verdict.content.remarks == "written on a train"
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.includes('draft'))") == []

    watch.context.route("**/verdict", lambda route: route.fulfill(status=503, body="{}"))
    page.get_by_role("textbox", name="Remarks").fill("and once more")
    page.wait_for_selector("[data-state=failed]")
    watch.context.unroute("**/verdict")
    page.click("text=Try now")
    saved(page)
    assert [(each.version, each.content.remarks) for each in site.store.history(case, "reader-1", Kind.READING)] == [
        (1, "written on a train"), (2, "and once more"),
    ]  # fmt: skip


def test_a_verdict_on_a_map_that_has_changed_is_stale_until_it_is_confirmed(
    site: Site, watching: Callable[..., Watch]
) -> None:
    case = site.cases[0]
    watch = watching(site, pictures=False)
    page = watch.case(case)
    page.keyboard.press("a")
    saved(page)
    path = site.atlas / f"masks/{case}.nii.gz"
    volume = read_label_map(path)
    volume.array[:2, :2, :2] = 1
    write_label_map(path, volume.array, volume.grid)
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 10**9))

    page.keyboard.press("r")  # on the page of the old map
    page.wait_for_selector(".notice:has-text('has changed')")
    page.click("text=Open the new map")
    page.wait_for_selector(".notice:has-text('Stale')")
    page.click("text=Confirm for this map")
    page.wait_for_selector(".notice:has-text('Stale')", state="detached")
    saved(page)
    digests = [each.map_sha256 for each in site.store.history(case, "reader-1", Kind.READING)]
    assert [digests[0], digests[0]] == digests[:2]
    assert digests[-1] != digests[0]


def test_it_all_goes_by_keyboard_alone(site: Site, watching: Callable[..., Watch]) -> None:
    page = watching(site).page()
    page.wait_for_selector("tbody a")
    order = [link.get_attribute("data-case") for link in page.locator("tbody a").all()]
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    assert active(page, "it.dataset.case") == order[1]
    assert float(active(page, "getComputedStyle(it).outlineWidth").removesuffix("px")) >= 2
    page.keyboard.press("Enter")
    ready(page)
    assert active(page, "it.textContent") == order[1]

    page.keyboard.press("?")
    assert "Reject" in page.inner_text("dialog")
    page.keyboard.press("Escape")
    page.keyboard.press("j")  # the first finding
    page.wait_for_selector(".findings [aria-current=true]")
    page.keyboard.press("m")
    page.keyboard.press("ArrowRight")  # leaks -> wrong identity
    page.keyboard.press("Enter")
    page.wait_for_selector(".marks li")
    assert active(page, "it.className") == "add-mark"
    page.keyboard.press("x")
    saved(page)
    page.keyboard.press("Control+Enter")
    page.wait_for_selector(f"h1:not(:text-is('{order[1]}'))")
    ready(page)
    verdict = site.store.verdict(order[1], "reader-1", Kind.READING)
    assert verdict is not None
    assert verdict.content.decision is Decision.REJECT
    assert [mark.kind for mark in verdict.content.marks] == [MarkKind.WRONG_IDENTITY]
    page.keyboard.press("g")
    page.wait_for_selector("tbody a")
    page.keyboard.press("/")
    page.keyboard.type("rejected nobody has this name")
    page.wait_for_selector("text=No case is like this")


def test_a_box_is_drawn_and_marked(site: Site, watching: Callable[..., Watch]) -> None:
    case = site.cases[0]
    page = watching(site).case(case)
    page.keyboard.press("b")
    surface = page.locator(".stage .surface").first.bounding_box()
    x, y = surface["x"] + surface["width"] * 0.15, surface["y"] + surface["height"] * 0.5
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + 30, y + 25, steps=4)
    page.mouse.up()
    page.wait_for_selector(".mark-form :text('Box')")
    page.fill(".mark-form [list]", "Liver")
    page.click("text=Add the mark")
    saved(page)
    verdict = site.store.verdict(case, "reader-1", Kind.READING)
    assert verdict is not None
    (mark,) = verdict.content.marks
    shape = read_label_map(site.atlas / f"masks/{case}.nii.gz").array.shape
    assert (mark.structure, mark.point) == ("liver", None)
    assert mark.box is not None
    assert all(0 <= start < stop <= size for (start, stop), size in zip(mark.box, shape, strict=True))
    assert sorted(stop - start for start, stop in mark.box)[0] == 1  # drawn in a plane


def test_a_second_map_and_the_structures_in_space_stand_beside_the_first(
    atlas: Path, sqlite_url: str, cache: Path, watching: Callable[..., Watch], tmp_path: Path
) -> None:
    case = next(iter(Dataset(atlas))).id
    read = read_label_map(atlas / f"masks/{case}.nii.gz")
    other = np.where(read.array == dap()["liver"].id, dap()["spleen"].id, read.array).astype(np.uint8)
    (tmp_path / "maps").mkdir()
    write_label_map(tmp_path / f"maps/{case}.nii.gz", other, read.grid)
    with served(atlas, sqlite_url, cache, compare={"rival": tmp_path / "maps"}) as site:
        page = watching(site).case(case)
        page.keyboard.press("d")
        page.wait_for_selector(".solid-pane canvas")
        page.keyboard.press("c")
        page.wait_for_selector(".pane-title:text-is('rival')")
        panes = page.eval_on_selector_all(".stage > .pane", "all => all.map((one) => one.className)")
        assert panes == ["pane", "pane", "pane solid-pane"]

        page.keyboard.press("/")
        page.keyboard.type("liver")
        page.keyboard.press("Enter")
        page.wait_for_selector(".readout :text-is('beside: Spleen')")
        assert page.inner_text(".readout .under") == "Liver"
        liver = crosshair(page)
        second = page.locator(".stage .surface").nth(1)
        second.focus()
        page.keyboard.press("PageUp")  # what is done in one is done in both
        page.wait_for_function(
            "before => !document.querySelector('.readout').innerText.includes(before)",
            arg=", ".join(map(str, liver)),
        )
        (axis,) = (n for n in range(3) if crosshair(page)[n] != liver[n])
        assert np.argmax(np.abs(read.grid.affine[2, :3])) == axis

        page.focus(".add-mark")
        page.keyboard.press("t")  # the other map in the first pane
        page.wait_for_function("() => document.querySelector('.pane-title').textContent === 'rival'")
        page.wait_for_selector(".readout .under:has-text('Spleen')")
        page.keyboard.press("t")
        page.keyboard.press("c")
        page.keyboard.press("d")
        page.wait_for_function("() => document.querySelectorAll('.stage > .pane').length === 1")
        page.wait_for_selector(".readout .under:has-text('Liver')")


def test_readings_are_blind_and_an_adjudicator_settles_them(
    site: Site, watching: Callable[..., Watch]
) -> None:
    case = site.cases[0]
    site.store.add_reader("r-01", Role.READER)
    site.store.add_reader("r-02", Role.READER)
    site.store.add_reader("chief", Role.ADJUDICATOR)
    digest = next(iter(_digests(site, case)))
    mark = Mark("liver", MarkKind.LEAKS, "into the colon", (20, 20, 30))
    site.store.save(case, "r-01", Kind.READING, Content(Decision.REJECT, "their secret", (mark,)), digest, 0)

    page = watching(site, "r-02", pictures=False).case(case)
    page.keyboard.press("a")
    saved(page)
    assert "their secret" not in page.content()
    assert page.locator("input[name=kind]").count() == 0
    assert "Readers" not in page.inner_text("nav")

    page = watching(site, "chief").page()
    page.click("text=Next to adjudicate")
    ready(page)
    page.wait_for_selector("article[aria-label='Reading of r-01']")
    assert "their secret" in page.inner_text("article[aria-label='Reading of r-01']")
    page.click("article button:has-text('leaks')")
    assert crosshair(page) == (20, 20, 30)
    page.click("[aria-label='Take over the reading of r-01']")
    saved(page)
    settled = site.store.verdict(case, "chief", Kind.ADJUDICATION)
    assert settled is not None
    assert settled.content == Content(Decision.REJECT, "their secret", (mark,))
    page.click("nav >> text=Progress")
    page.wait_for_selector(".rates")
    assert "r-01 and r-02" in page.inner_text("#agreement ~ table")


def _digests(site: Site, case: str) -> set[str]:
    import hashlib

    return {hashlib.sha256((site.atlas / f"masks/{case}.nii.gz").read_bytes()).hexdigest()}


def test_another_reader_who_saved_the_case_is_told_of(site: Site, watching: Callable[..., Watch]) -> None:
    case = site.cases[0]
    page = watching(site, "r-01", pictures=False).case(case)
    other = watching(site, "r-02", pictures=False).case(case)
    other.wait_for_selector(".notice:has-text('r-01 is reading this case')")  # one reading is needed
    other.keyboard.press("a")
    saved(other)
    page.keyboard.press("x")
    page.wait_for_selector(".notice:has-text('r-02 saved a verdict')")


def test_names_passwords_and_logging_out(
    atlas: Path, sqlite_url: str, cache: Path, watching: Callable[..., Watch]
) -> None:
    with served(atlas, sqlite_url, cache, Mode.ACCOUNTS) as site:
        site.store.add_reader("boss", Role.ADMIN, PASSWORD)
        watch = watching(site)
        page = watch.page()
        page.get_by_label("Name").fill("boss")
        page.get_by_label("Password").fill("guess")
        page.keyboard.press("Enter")
        page.wait_for_selector(".notice.bad")
        assert "wrong" in page.inner_text(".notice.bad")
        page.get_by_label("Password").fill(PASSWORD)
        page.keyboard.press("Enter")
        page.wait_for_selector("tbody a")

        page.click("nav >> text=Readers")
        page.locator("form[aria-labelledby=new-reader]").get_by_label("Name").fill("r-01")
        page.locator("form[aria-labelledby=new-reader]").get_by_label("Password").fill(PASSWORD + "!")
        page.click("button:text-is('Add')")
        page.wait_for_selector("th:text-is('r-01')")
        page.get_by_label("Role of r-01").select_option("adjudicator")
        page.wait_for_selector(".toast:has-text('adjudicator')")
        known = site.store.reader("r-01")
        assert known is not None
        assert known.role is Role.ADJUDICATOR

        page.click("#who")
        page.click("text=Sign out")
        page.wait_for_selector("h1:text-is('Sign in')")
        assert page.locator("nav").count() == 0
        for _ in range(20):
            page.get_by_label("Name").fill("r-01")
            page.get_by_label("Password").fill("guess")
            page.keyboard.press("Enter")
            page.wait_for_selector("button:text-is('Sign in')")
            if "Too many" in page.inner_text("form"):
                break
        assert "second" in page.inner_text("[role=timer]")
        assert page.locator("button[type=submit]").is_disabled()
        assert {status for status, _ in watch.refused} == {401, 429}


def test_a_login_that_runs_out_costs_nothing_and_nobody_else_gets_the_words(
    atlas: Path, sqlite_url: str, cache: Path, watching: Callable[..., Watch]
) -> None:
    with served(atlas, sqlite_url, cache, Mode.ACCOUNTS) as site:
        case = site.cases[0]
        for name in ("r-01", "r-02"):
            site.store.add_reader(name, Role.READER, PASSWORD)
        watch = watching(site, pictures=False)
        page = watch.page(f"#/case/{case}")

        def sign_in(where: Any, name: str) -> None:
            where.get_by_label("Name").fill(name)
            where.get_by_label("Password").fill(PASSWORD)
            page.keyboard.press("Enter")

        def write_when_signed_out(text: str) -> None:
            watch.context.clear_cookies()
            page.get_by_role("textbox", name="Remarks").fill(text)
            page.wait_for_selector("dialog[open]")

        def remarks(name: str) -> str | None:
            verdict = site.store.verdict(case, name, Kind.READING)
            return None if verdict is None else verdict.content.remarks

        sign_in(page, "r-01")
        ready(page, pictures=False)
        write_when_signed_out("kept")
        sign_in(page.locator("dialog"), "r-01")
        saved(page)
        assert remarks("r-01") == "kept"

        write_when_signed_out("a secret")
        sign_in(page.locator("dialog"), "r-02")
        page.wait_for_selector(".save-state:text-is('nothing written yet')")
        assert page.input_value(".remarks-text") == ""
        page.click("#who")
        page.click("text=Sign out")
        page.wait_for_selector("h1:text-is('Sign in')")
        sign_in(page, "r-01")
        page.wait_for_selector(".toast:has-text('brought back')")
        saved(page)
        assert (remarks("r-01"), remarks("r-02")) == ("a secret", None)


def test_533_cases_are_filtered_at_once(site: Site, watching: Callable[..., Watch]) -> None:
    watch = watching(site)
    page = watch.page()
    page.wait_for_selector("tbody a")
    known = page.evaluate("fetch('/api/cases').then((answer) => answer.json())")
    rows = [
        {**known["cases"][0], "case": f"AutoPET_{n:04d}", "state": "rejected" if n % 7 == 0 else "unread"}
        for n in range(533)
    ]
    watch.context.route("**/api/cases", lambda route: route.fulfill(json={**known, "cases": rows}))
    page.reload()
    page.wait_for_selector("tbody tr:nth-child(533)")
    page.get_by_label("Rejected").check()
    assert page.locator("tbody tr").count() == len(range(0, 533, 7))
    took = page.evaluate(
        """() => {
            const field = document.querySelector("#find"), all = document.querySelector("[name=state]");
            const begin = performance.now();
            all.click();
            field.value = "0070";
            field.dispatchEvent(new Event("input"));
            field.value = "";
            field.dispatchEvent(new Event("input"));
            document.body.offsetHeight;
            return performance.now() - begin;
        }"""
    )
    assert page.locator("tbody tr").count() == 533
    assert took < 2000  # 0.2 s on an idle machine
    page.keyboard.press("End")
    assert active(page, "it.dataset.case") == "AutoPET_0532"


def test_the_three_decisions_stand_in_one_row_on_a_tablet(site: Site, watching: Callable[..., Watch]) -> None:
    page = watching(site, pictures=False, viewport=TABLET).case(site.cases[0])
    boxes = page.evaluate(
        """() => {
            const panel = document.querySelector(".panel-verdict");
            panel.style.paddingRight = `${parseFloat(getComputedStyle(panel).paddingRight) + 15}px`; // a scrollbar
            const lines = (it) => new Set([...it.getClientRects()].map((rect) => rect.top)).size;
            return [...document.querySelectorAll(".decisions button")].map((button) => {
                const words = document.createRange();
                words.selectNodeContents(button.querySelector(".word"));
                const { top, right } = button.getBoundingClientRect();
                return { words: button.textContent, lines: lines(words), top, right, room: button.scrollWidth <= button.clientWidth };
            });
        }"""
    )
    assert ["With remarks" in box["words"] for box in boxes] == [False, True, False]
    assert {box["lines"] for box in boxes} == {1}
    assert len({box["top"] for box in boxes}) == 1
    assert all(box["room"] for box in boxes)
    assert max(box["right"] for box in boxes) <= TABLET["width"]


VIEWS = {
    "case": ("", ".readout .under"),  # open already
    "cases": ("#/cases", "tbody a"),
    "progress": ("#/progress", ".rates"),
    "readers": ("#/readers", "#new-reader"),
}


def test_every_page_fits_a_tablet_and_has_no_barriers(site: Site, watching: Callable[..., Watch]) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="needs axe-playwright-python")
    case = site.cases[0]
    watch = watching(site, viewport=TABLET, has_touch=True)
    page = watch.case(case)
    page.keyboard.press("x")
    page.click(".add-mark")
    page.click("text=Add the mark")
    saved(page)
    page.click(".verdict summary")
    page.wait_for_selector(".history li")
    page.get_by_label("Adjudication", exact=True).check()
    page.wait_for_selector(".sides article")
    page.click(".add-mark")
    for name, (hash_, sign) in VIEWS.items():
        if hash_:
            page.goto(f"{site.url}/{hash_}")
        page.wait_for_selector(sign)
        assert overflow(page) <= 0, name
        assert barriers(axe, page) == [], name
    page.keyboard.press("?")
    assert barriers(axe, page) == []


def barriers(axe: Any, page: Any) -> list[Any]:
    violations = axe.Axe().run(page).response["violations"]
    return [(one["id"], [node["html"][:160] for node in one["nodes"]][:3]) for one in violations]
