"""The API of the review server, on a small real data set."""

from __future__ import annotations

import csv
import io
import json
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from databases import quick_passwords
from serving import PASSWORD, Browser, Site, verdict_body

from dapatlas.dataset.digests import sha256_of
from dapatlas.review.accounts import Role
from dapatlas.review.database.connect import connect, default_url
from dapatlas.review.server.settings import Mode
from dapatlas.review.store import Store
from dapatlas.volumes import read_label_map, write_label_map


@pytest.fixture
def site(atlas: Path, sqlite_store: Store) -> Site:
    return Site(atlas, sqlite_store, Mode.ACCOUNTS)


@pytest.fixture
def reader(site: Site) -> Browser:
    return site.browser("r-01")


@pytest.fixture
def chief(site: Site) -> Browser:
    return site.browser("chief", Role.ADMIN)


@pytest.fixture(scope="module")
def lasting_reader(checked_atlas: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """A reader of a review that several tests share: those that change nothing."""
    folder = Path(shutil.copytree(checked_atlas, tmp_path_factory.mktemp("shared") / "atlas"))
    engine = connect(default_url(folder))
    yield Site(folder, Store(engine, quick_passwords()), Mode.ACCOUNTS).browser("r-01")
    engine.dispose()


def first_case(browser: Browser) -> str:
    case: str = browser.get("/api/cases").json()["cases"][0]["case"]
    return case


def detail_of(browser: Browser, case: str | None = None) -> dict:
    answer = browser.get(f"/api/cases/{case or first_case(browser)}")
    assert answer.status_code == 200, answer.text
    return answer.json()


def save(browser: Browser, detail: dict, **more: object):
    return browser.put(f"/api/cases/{detail['case']}/verdict", verdict_body(detail, **more))


def test_a_stranger_learns_nothing_of_the_data_set(site: Site):
    stranger = site.stranger()
    answer = stranger.get("/api/session")
    assert answer.status_code == 200
    assert answer.json() == {
        "mode": "accounts",
        "reader": None,
        "csrf": None,
        "version": answer.json()["version"],
        "dataset": None,
    }
    for path in ("/api/cases", "/api/scheme", "/api/cases/x", "/api/progress", "/api/export", "/api/readers"):
        refused = stranger.get(path)
        assert (refused.status_code, refused.json()["code"]) == (401, "not-logged-in")


def test_logging_in_and_out(site: Site):
    site.store.add_reader("r-01", Role.READER, PASSWORD)
    browser = site.stranger()
    answer = browser.client.post("/api/session", json={"name": "r-01", "password": "wrong password"})
    assert (answer.status_code, answer.json()["code"]) == (401, "wrong-login")
    assert "set-cookie" not in answer.headers
    browser.log_in("r-01", PASSWORD)
    said = browser.get("/api/session").json()
    assert said["reader"] == {"name": "r-01", "role": "reader"}
    assert said["dataset"] == {"name": "atlas", "cases": 4}
    assert browser.delete("/api/session").status_code == 204
    assert browser.get("/api/cases").status_code == 401


def test_in_local_mode_a_new_name_is_enough(atlas: Path, sqlite_store: Store):
    site = Site(atlas, sqlite_store, Mode.LOCAL)
    browser = site.browser("somebody", Role.ADMIN)
    assert browser.get("/api/session").json()["reader"]["role"] == "admin"
    refused = site.stranger().client.post("/api/session", json={"name": "not a name"})
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")


def test_the_scheme_tells_what_numbers_mean(lasting_reader: Browser):
    scheme = lasting_reader.get("/api/scheme").json()
    assert scheme["name"] == "dap"
    left = next(each for each in scheme["structures"] if each["name"] == "kidney_left")
    assert left["side"] == "left"
    assert left["color"].startswith("#")
    assert len(left["color"]) == 7
    assert all(each["id"] for each in scheme["structures"])


def test_a_case_comes_with_all_that_is_known_of_it(reader: Browser, atlas: Path):
    detail = detail_of(reader)
    path = atlas / "masks" / f"{detail['case']}.nii.gz"
    labels = read_label_map(path)
    assert detail["map_sha256"] == sha256_of(path)
    np.testing.assert_allclose(detail["grid"]["affine"], labels.grid.affine)
    assert [layer["name"] for layer in detail["layers"]] == ["ct", "map"]
    for each in detail["structures"]:
        i, j, k = each["center"]
        assert labels.array[i, j, k] == each["id"]
        np.testing.assert_allclose(each["center_mm"], labels.grid.to_world([i, j, k]))
        assert each["voxels"] == np.count_nonzero(labels.array == each["id"])
    checked = json.loads((atlas / "reports" / "check" / f"{detail['case']}.json").read_text())
    assert [each["code"] for each in detail["findings"]] == [each["code"] for each in checked["findings"]]
    placed = next(each for each in detail["findings"] if each["box"])
    middle = [(start + stop - 1) / 2 for start, stop in placed["box"]]
    np.testing.assert_allclose(placed["place_mm"], labels.grid.to_world(middle))
    assert str(atlas) not in json.dumps(detail)


def test_volumes_are_the_files_themselves(reader: Browser, atlas: Path):
    detail = detail_of(reader)
    level = detail["layers"][1]["levels"][-1]
    answer = reader.get(level["url"])
    source = (atlas / "masks" / f"{detail['case']}.nii.gz").read_bytes()
    assert answer.content == source
    assert answer.headers["content-type"] == "application/gzip"
    assert "content-encoding" not in answer.headers  # else the browser would inflate it on the way
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert level["bytes"] == len(source)
    plain = reader.get(level["url"].partition("?")[0])
    assert plain.headers["cache-control"] == "private, no-cache"


@pytest.mark.parametrize(
    ("asked", "status", "part"),
    [
        ("bytes=0-99", 206, slice(0, 100)),
        ("bytes=100-", 206, slice(100, None)),
        ("bytes=-50", 206, slice(-50, None)),
        ("bytes=0-999999999", 206, slice(0, None)),
        ("bytes=999999999-", 416, None),
        ("bytes=9-3", 200, slice(None)),  # what makes no sense counts as no range
        ("bytes=a-b", 200, slice(None)),
        ("lines=1-2", 200, slice(None)),
        ("bytes=0-1,5-6", 200, slice(None)),
    ],
)
def test_ranges(lasting_reader: Browser, checked_atlas: Path, asked: str, status: int, part: slice | None):
    detail = detail_of(lasting_reader)
    url = detail["layers"][0]["levels"][-1]["url"]
    source = (checked_atlas / "images" / f"{detail['case']}.nii.gz").read_bytes()
    answer = lasting_reader.get(url, headers={"Range": asked})
    assert answer.status_code == status
    if part is None:
        assert answer.headers["content-range"] == f"bytes */{len(source)}"
        assert answer.json()["code"] == "wrong-range"
    else:
        assert answer.content == source[part]
    if status == 206:
        start, stop, _ = part.indices(len(source))
        assert answer.headers["content-range"] == f"bytes {start}-{stop - 1}/{len(source)}"


def test_what_the_browser_has_is_not_sent_again(lasting_reader: Browser):
    reader = lasting_reader
    url = detail_of(reader)["layers"][0]["levels"][-1]["url"]
    tag = reader.get(url).headers["etag"]
    again = reader.get(url, headers={"If-None-Match": f'"other", W/{tag}'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == tag
    assert reader.get(url, headers={"If-None-Match": '"other"'}).status_code == 200
    part = {"Range": "bytes=0-9"}
    assert reader.get(url, headers={**part, "If-Range": tag}).status_code == 206
    assert reader.get(url, headers={**part, "If-Range": '"other"'}).status_code == 200


def test_a_map_that_changed_is_another_file_and_its_verdict_is_stale(reader: Browser, atlas: Path):
    detail = detail_of(reader)
    path = atlas / "masks" / f"{detail['case']}.nii.gz"
    old_url = detail["layers"][1]["levels"][-1]["url"]
    assert save(reader, detail).json()["stale"] is False
    volume = read_label_map(path)
    changed = volume.array.copy(order="F")
    changed[0, 0, 0] = 1 - changed[0, 0, 0]
    write_label_map(path, changed, volume.grid, volume.header)
    gone = reader.get(old_url)
    assert (gone.status_code, gone.json()["code"]) == (404, "changed")
    fresh = detail_of(reader, detail["case"])
    assert fresh["map_sha256"] == sha256_of(path) != detail["map_sha256"]
    assert fresh["verdict"]["stale"] is True
    assert fresh["state"] == "stale"
    # who had it open still saves: it is kept, and said to be stale
    late = save(reader, detail, version=1, remarks="seen on the old map")
    assert (late.status_code, late.json()["stale"]) == (200, True)
    now = save(reader, fresh, version=2, remarks="seen on the new map")
    assert (now.status_code, now.json()["stale"]) == (200, False)


def test_saving_against_an_old_version_is_a_conflict_that_shows_the_current_one(reader: Browser):
    detail = detail_of(reader)
    first = save(reader, detail, remarks="one")
    assert first.json()["version"] == 1
    refused = save(reader, detail, remarks="two")
    assert (refused.status_code, refused.json()["code"]) == (409, "conflict")
    assert refused.json()["current"]["remarks"] == "one"
    assert save(reader, detail, version=1, remarks="two").json()["version"] == 2
    history = reader.get(f"/api/cases/{detail['case']}/verdict/history").json()["revisions"]
    assert [(each["version"], each["remarks"]) for each in history] == [(1, "one"), (2, "two")]


def test_of_many_who_save_at_once_one_wins(site: Site, reader: Browser):
    detail, start = detail_of(reader), threading.Barrier(6)

    def try_it(number: int) -> int:
        start.wait()
        return save(reader, detail, remarks=str(number)).status_code

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(try_it, range(6))) == [200, *[409] * 5]


@pytest.mark.parametrize(
    ("mark", "said"),
    [
        ({"structure": "no_such_thing", "kind": "leaks"}, "no structure"),
        ({"structure": "background", "kind": "leaks"}, "no structure"),
        ({"structure": "liver", "kind": "odd"}, "kind"),
        ({"structure": "liver", "kind": "leaks", "box": [[0, 5], [0, 5], [0, 500]]}, "not inside"),
        ({"structure": "liver", "kind": "leaks", "box": [[5, 5], [0, 5], [0, 5]]}, "not inside"),
        ({"structure": "liver", "kind": "leaks", "point": [0, 0, 500]}, "not inside"),
        ({"structure": "liver", "kind": "leaks", "point": [0, 0, -1]}, "point"),
        ({"structure": "liver", "kind": "leaks", "note": "x" * 2_001}, "note"),
        ({"structure": "liver", "kind": "leaks", "note": "a\0b"}, "NUL"),
        ({"structure": "liver", "kind": "leaks", "more": 1}, "more"),
    ],
)
def test_marks_that_cannot_be_true_are_refused(lasting_reader: Browser, mark: dict, said: str):
    refused = save(lasting_reader, detail_of(lasting_reader), marks=[mark])
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert said in refused.json()["detail"]


@pytest.mark.parametrize(
    "more",
    [
        {"remarks": "x" * 10_001},
        {"marks": [{"structure": "liver", "kind": "leaks"}] * 501},
        {"map_sha256": "x" * 64},
        {"version": -1},
        {"version": "1"},
        {"decision": "maybe"},
    ],
)
def test_verdicts_that_are_none_are_refused(lasting_reader: Browser, more: dict):
    assert save(lasting_reader, detail_of(lasting_reader), **more).status_code == 422


def test_marks_are_kept_as_they_were_given(reader: Browser):
    detail = detail_of(reader)
    marks = [
        {
            "structure": "liver",
            "kind": "leaks",
            "note": "Ω",
            "point": [1, 2, 3],
            "box": [[0, 4], [1, 5], [2, 6]],
        },
        {"structure": "spleen", "kind": "missing", "note": "", "point": None, "box": None},
    ]
    assert save(reader, detail, marks=marks, decision=None).json()["marks"] == marks
    assert detail_of(reader, detail["case"])["verdict"]["marks"] == marks


def test_plain_readers_are_blind_to_each_other(site: Site, reader: Browser, chief: Browser):
    other = site.browser("r-02")
    chief.put("/api/queue/plan", {"order": "worst", "sample": None, "seed": 0, "readings": 2})
    detail = detail_of(reader)
    case = detail["case"]
    save(reader, detail, decision="reject", remarks="a secret")
    seen = detail_of(other, case)
    assert seen["also_read_by"] == [{"reader": "r-01", "saved_at": seen["also_read_by"][0]["saved_at"]}]
    assert (seen["verdict"], seen["adjudication"]) == (None, None)
    save(other, detail, decision="approve")
    chief.put(f"/api/cases/{case}/verdict", verdict_body(detail, kind="adjudication", remarks="a secret"))
    answers = [
        other.get(path)
        for path in (
            f"/api/cases/{case}",
            "/api/cases",
            f"/api/cases/{case}/verdict/history",
            f"/api/cases/{case}/verdicts",
            f"/api/cases/{case}/verdict/history?kind=adjudication",
            "/api/export",
            "/api/progress",
        )
    ]
    assert [each.status_code for each in answers] == [200, 200, 200, 403, 403, 403, 200]
    assert not any("secret" in each.text for each in answers)
    assert answers[-1].json()["disagreements"] == []
    assert detail_of(other, case)["state"] == "reading"
    refused = other.put(f"/api/cases/{case}/verdict", verdict_body(detail, kind="adjudication"))
    assert (refused.status_code, refused.json()["code"]) == (403, "not-allowed")
    said = chief.get(f"/api/cases/{case}/verdicts").json()["verdicts"]
    assert {(each["reader"], each["kind"], each["decision"]) for each in said} == {
        ("r-01", "reading", "reject"),
        ("r-02", "reading", "approve"),
        ("chief", "adjudication", "approve"),
    }
    assert detail_of(chief, case)["adjudication"]["remarks"] == "a secret"


def test_a_single_reading_of_somebody_else_does_not_show_its_decision(site: Site, reader: Browser):
    detail = detail_of(reader)
    save(reader, detail, decision="reject")
    rows = {row["case"]: row for row in site.browser("r-02").get("/api/cases").json()["cases"]}
    assert rows[detail["case"]]["state"] == "reading"
    assert rows[detail["case"]]["mine"] is None
    own = {row["case"]: row for row in reader.get("/api/cases").json()["cases"]}
    assert (own[detail["case"]]["state"], own[detail["case"]]["mine"]) == ("rejected", "reject")


def test_the_queue_hands_every_case_out_once(site: Site, reader: Browser):
    others = [site.browser(f"r-{number:02}") for number in range(2, 5)]
    taken = [browser.post("/api/queue/next", {"kind": "reading"}).json() for browser in (reader, *others)]
    assert len({each["case"] for each in taken}) == 4
    assert taken[0] == {"case": first_case(reader), "left": 4}
    late = site.browser("r-09").post("/api/queue/next", {"kind": "reading"}).json()
    assert late == {"case": None, "left": 4}
    # r-01 goes on: their case falls back to the others
    assert reader.post("/api/queue/next", {"kind": "reading", "after": taken[0]["case"]}).json()["case"]
    assert site.browser("r-09").post("/api/queue/next", {}).status_code == 200


def test_many_who_ask_for_the_next_case_at_once_get_different_ones(site: Site):
    browsers = [site.browser(f"r-{number:02}") for number in range(4)]
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda each: each.post("/api/queue/next", {}).json()["case"], browsers))
    assert len(set(taken)) == 4
    assert None not in taken


def test_claims_tell_who_has_a_case_in_hand(site: Site, reader: Browser):
    case = first_case(reader)
    assert "until" in reader.post(f"/api/cases/{case}/claim").json()
    other = site.browser("r-02")
    refused = other.post(f"/api/cases/{case}/claim")
    assert (refused.status_code, refused.json()["code"], refused.json()["by"]) == (409, "claimed", "r-01")
    assert save(other, detail_of(other, case)).status_code == 200  # nobody is kept from reading
    rows = {row["case"]: row["claimed_by"] for row in other.get("/api/cases").json()["cases"]}
    assert rows[case] == "r-01"


def test_adjudicators_get_what_is_disagreed_about(site: Site, reader: Browser, chief: Browser):
    plan = {"order": "random", "sample": 3, "seed": 7, "readings": 2}
    assert chief.put("/api/queue/plan", plan).json() == plan
    assert chief.get("/api/queue/plan").json() == plan
    assert len(reader.get("/api/cases").json()["cases"]) == 3
    assert reader.put("/api/queue/plan", plan).status_code == 403
    assert reader.post("/api/queue/next", {"kind": "adjudication"}).status_code == 403
    assert chief.post("/api/queue/next", {"kind": "adjudication"}).json() == {"case": None, "left": 0}
    detail = detail_of(reader)
    save(reader, detail, decision="reject")
    save(site.browser("r-02"), detail)
    assert chief.post("/api/queue/next", {"kind": "adjudication"}).json() == {
        "case": detail["case"],
        "left": 1,
    }
    assert chief.get("/api/progress").json()["disagreements"] == [detail["case"]]
    save(chief, detail, kind="adjudication", decision="reject")
    progress = chief.get("/api/progress").json()
    assert (progress["disagreements"], progress["states"]["rejected"]) == ([], 1)


@pytest.mark.parametrize("form", ["csv", "json", "parquet"])
def test_exports(reader: Browser, chief: Browser, form: str):
    save(reader, detail_of(reader), remarks="Ω", marks=[{"structure": "liver", "kind": "leaks"}])
    answer = chief.get(f"/api/export?format={form}")
    assert answer.headers["content-disposition"] == f'attachment; filename="verdicts.{form}"'
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(answer.text)))
        assert [(row["row"], row["reader"]) for row in rows] == [("verdict", "r-01"), ("mark", "r-01")]
    elif form == "json":
        assert answer.json()["verdicts"][0]["remarks"] == "Ω"
    else:
        assert answer.content[:4] == b"PAR1"
    assert chief.get("/api/export?format=xlsx").status_code == 422


def test_admins_look_after_readers(site: Site, reader: Browser, chief: Browser):
    assert reader.get("/api/readers").status_code == 403
    added = chief.post("/api/readers", {"name": "r-07", "role": "reader", "password": PASSWORD})
    assert (added.status_code, added.json()["role"]) == (201, "reader")
    twice = chief.post("/api/readers", {"name": "R-07", "role": "reader"})
    assert (twice.status_code, twice.json()["code"]) == (409, "taken")
    short = chief.post("/api/readers", {"name": "r-08", "role": "reader", "password": "short"})
    assert short.status_code == 422
    seventh = site.stranger().log_in("r-07", PASSWORD)
    assert chief.patch("/api/readers/r-07", {"role": "adjudicator"}).json()["role"] == "adjudicator"
    assert seventh.get("/api/export").status_code == 200  # at once
    assert chief.patch("/api/readers/r-07", {"active": False}).json()["active"] is False
    assert seventh.get("/api/cases").status_code == 401
    assert chief.patch("/api/readers/nobody", {"active": False}).status_code == 404
    last = chief.patch("/api/readers/chief", {"role": "reader"})
    assert (last.status_code, last.json()["code"]) == (409, "last-admin")
    names = [each["name"] for each in chief.get("/api/readers").json()["readers"]]
    assert names == ["chief", "r-01", "r-07"]
    assert "password_hash" not in chief.get("/api/readers").text


def test_a_new_password_of_ones_own_keeps_only_this_login(site: Site, chief: Browser):
    elsewhere = site.stranger().log_in("chief", PASSWORD)
    assert chief.patch("/api/readers/chief", {"password": "another password"}).status_code == 200
    assert chief.get("/api/cases").status_code == 200
    assert elsewhere.get("/api/cases").status_code == 401


def test_broken_files_are_told_and_never_sent(atlas: Path, sqlite_store: Store, tmp_path: Path):
    secret = tmp_path / "secret.txt"
    secret.write_text("root:x:0:0")
    case = sorted(path.name for path in (atlas / "masks").iterdir())[0].removesuffix(".nii.gz")
    (atlas / "masks" / "evil.nii.gz").symlink_to(secret)
    shutil.copy(atlas / "images" / f"{case}.nii.gz", atlas / "images" / "evil.nii.gz")
    (atlas / "masks" / "gone.nii.gz").symlink_to(tmp_path / "absent")
    shutil.copy(atlas / "images" / f"{case}.nii.gz", atlas / "images" / "gone.nii.gz")
    lone = atlas / "masks" / "lone.nii.gz"
    shutil.copy(atlas / "masks" / f"{case}.nii.gz", lone)
    chief = Site(atlas, sqlite_store, Mode.LOCAL).browser("chief", Role.ADMIN)
    for name in ("evil", "gone"):
        detail = detail_of(chief, name)
        layers = {layer["name"]: layer for layer in detail["layers"]}
        assert layers["map"]["error"]
        assert layers["map"]["levels"] == detail["structures"] == []
        assert detail["grid"] is None
        refused = chief.get(f"/api/cases/{name}/layers/map/1.nii.gz")
        assert (refused.status_code, refused.json()["code"]) == (404, "no-layer")
        assert "root:" not in refused.text + json.dumps(detail)
    assert [layer["name"] for layer in detail_of(chief, "lone")["layers"]] == ["map"]


def test_maps_to_compare_are_layers(atlas: Path, sqlite_store: Store, tmp_path: Path):
    names = sorted(path.name for path in (atlas / "masks").iterdir())
    (tmp_path / "other").mkdir()
    shutil.copy(atlas / "masks" / names[0], tmp_path / "other" / names[0])
    image = nib.load(atlas / "masks" / names[1])
    nib.save(
        nib.Nifti1Image(np.asarray(image.dataobj), np.diag([1, 1, 1, 1.0]) + 1e4 * np.eye(4, k=3)),
        tmp_path / "other" / names[1],
    )
    site = Site(atlas, sqlite_store, Mode.LOCAL, compare={"nnunet": tmp_path / "other"})
    chief = site.browser("chief", Role.ADMIN)
    found = [detail_of(chief, name.removesuffix(".nii.gz"))["layers"] for name in names[:3]]
    assert [[layer["name"] for layer in layers] for layers in found] == [["ct", "map", "nnunet"]] * 2 + [
        ["ct", "map"]
    ]
    assert chief.get(found[0][2]["levels"][0]["url"]).status_code == 200
    assert "elsewhere" in found[1][2]["error"]


def test_new_cases_appear_without_a_restart(site: Site, reader: Browser, atlas: Path):
    names = sorted(path.name for path in (atlas / "masks").iterdir())
    assert len(reader.get("/api/cases").json()["cases"]) == 4
    for folder in ("images", "masks"):
        shutil.copy(atlas / folder / names[0], atlas / folder / "new.nii.gz")
    site.app.state.review._due = 0.0  # as if some seconds had gone by
    for _ in range(100):  # it looks while it answers
        if len(reader.get("/api/cases").json()["cases"]) == 5:
            break
        time.sleep(0.1)
    else:
        pytest.fail("the new case never appeared")
