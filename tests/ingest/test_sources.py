"""The table of sources, and what the sources themselves say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from stand_in_server import Served, Web, stand_in

from dapatlas.errors import BadFileError, DapatlasError
from dapatlas.ingest.fetch.offer import Offer, offer_of
from dapatlas.ingest.fetch.record import read_record
from dapatlas.ingest.fetch.sources import Part, RecordSource, part, parts
from dapatlas.ingest.fetch.web import DownloadError

MD5 = "156c136aea40541275d97cc6bfae9f39"


@pytest.fixture
def web() -> Iterator[Web]:
    with stand_in() as server:
        yield server


def test_every_part_says_where_it_is_from_and_under_which_licence() -> None:
    known = parts()
    assert list(known) == ["masks", "weights", "ct", "autopet-nifti", "clinical"]
    for one in known.values():
        assert one.is_by_hand or one.files or one.record or one.nbia
        assert one.by_hand  # what to do without a network
        assert one.licence_url.startswith("https://")
        assert all(file.url.startswith("https://") for file in one.files)
        assert all(file.checksum_from for file in one.files if file.sha256 or file.md5)
    assert known["weights"].is_by_hand
    assert known["ct"].nbia is not None
    assert known["ct"].nbia.collection == "FDG-PET-CT-Lesions"


def test_a_part_that_is_not_there_is_guessed() -> None:
    with pytest.raises(
        DapatlasError, match=r"no part 'mask' to fetch, known are masks, weights.*did you mean masks\?"
    ):
        part("mask")


def table(tmp_path: Path, **changes: object) -> Path:
    entry = {
        "name": "masks",
        "title": "Masks",
        "holds": "all",
        "size": "1 GB",
        "licence": "CC0",
        "licence_url": "https://example.org/cc0",
        "licence_from": "us",
        "page": "https://example.org",
        "citation": "us",
        **changes,
    }
    path = tmp_path / "mirrors.toml"
    rows = [f"{key} = {json.dumps(value)}" for key, value in entry.items() if key != "files"]
    files = [
        "[[parts.files]]\n" + "\n".join(f"{key} = {json.dumps(value)}" for key, value in file.items())
        for file in changes.get("files", [])  # type: ignore[attr-defined]
    ]
    path.write_text("\n".join(["[[parts]]", *rows, *files]) + "\n")
    return path


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"licence": ""}, "parts.0.licence: String should have at least 1 character"),
        ({"colour": "red"}, "parts.0.colour: no such key, known are name, title, "),
        ({"page": "file:///etc/passwd"}, "parts.0.page: String should match pattern"),
        ({"files": [{"name": "../up.zip", "url": "https://example.org/a", "found_in": "x"}]}, "name of a file, without a folder; found '../up.zip'"),
        ({"files": [{"name": "a.zip", "url": "https://example.org/a", "found_in": "x", "sha256": "12"}]}, "sha256: String should match"),
    ],
)  # fmt: skip
def test_a_table_of_ones_own_is_checked(tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(BadFileError) as told:
        parts(table(tmp_path, **changes))
    assert str(told.value).startswith(str(tmp_path / "mirrors.toml"))
    assert says in str(told.value)


def test_a_table_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(BadFileError, match="cannot be read as text"):
        parts(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("parts = [")
    with pytest.raises(BadFileError, match="bad.toml: no TOML"):
        parts(tmp_path / "bad.toml")
    path = table(tmp_path)
    path.write_text(path.read_text() * 2)
    with pytest.raises(BadFileError, match="two parts have one name"):
        parts(path)


def record(web: Web, **changes: object) -> RecordSource:
    answer = {
        "files": {
            "enabled": True,
            "entries": {
                "lesions.zip": {
                    "size": 20_588_970_455,
                    "checksum": f"md5:{MD5}",
                    "links": {"content": web.url("/api/records/abc/files/lesions.zip/content")},
                }
            },
        },
        "metadata": {
            "rights": [
                {
                    "id": "cc-by-nc-4.0",
                    "title": {"en": "Creative Commons Attribution Non Commercial 4.0 International"},
                }
            ]
        },
        **changes,
    }
    web.files["/api/records/abc"] = Served(json.dumps(answer).encode())
    return RecordSource(api=web.url("/api/records/abc"), found_in="here")


def test_a_record_tells_size_checksum_and_licence(web: Web) -> None:
    found = read_record(record(web))
    (file,) = found.files
    assert (file.name, file.bytes, file.md5) == ("lesions.zip", 20_588_970_455, MD5)
    assert file.url.endswith("/files/lesions.zip/content")
    assert found.licences == ("Creative Commons Attribution Non Commercial 4.0 International",)


@pytest.mark.parametrize(
    "changes",
    [
        {"files": {"enabled": True}},
        {"files": {"entries": {}}},
        {"files": {"entries": {"../x": {"size": 1, "links": {"content": "https://example.org/x"}}}}},
        {"files": {"entries": {"x": {"size": 1, "links": {"content": "file:///etc/passwd"}}}}},
        {"metadata": {"rights": ["cc"]}},
    ],
)
def test_a_record_that_cannot_be_used_is_refused(web: Web, changes: dict[str, object]) -> None:
    with pytest.raises(DownloadError, match="cannot be used|no files that are open"):
        read_record(record(web, **changes))


def one_part(**changes: object) -> Part:
    plain = {name: value for name, value in parts()["weights"].model_dump().items() if name not in changes}
    return Part.model_validate({**plain, **changes})


def test_what_is_fetched_by_hand_says_how() -> None:
    with pytest.raises(
        DownloadError, match=r"must be fetched by hand from https://drive.google.com/\S+: .*unpack them"
    ):
        offer_of(parts()["weights"])


def test_files_in_the_table_need_no_network() -> None:
    def offline(request: object) -> None:
        pytest.fail("asked")

    offer = offer_of(parts()["masks"], opener=offline)
    assert offer.bytes == 1_616_249_184
    assert offer.licences == ()


def test_licences_that_go_beyond_the_table_are_told(web: Web) -> None:
    found = offer_of(one_part(record=record(web)))
    assert found.licences_beyond("CC BY-NC 4.0") == []
    assert found.licences_beyond("CC BY 4.0") == list(found.licences)
    tcia = Offer(
        licences=("Creative Commons Attribution 4.0 International License", "TCIA Restricted License")
    )
    assert tcia.licences_beyond("CC BY 4.0 (open version)") == ["TCIA Restricted License"]
