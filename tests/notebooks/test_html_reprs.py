"""What notebooks show of data sets, cases and schemes: well-formed, escaped, no script, and never an exception."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from dapatlas.dataset import Case, Dataset
from dapatlas.errors import BadFileError
from dapatlas.labels import LabelScheme, dap, load_scheme, scheme_names
from dapatlas.volumes import Grid, write_label_map, write_volume

NASTY = "<script>alert(1)</script>&\"'<b>"
VOID = {"br", "hr", "img"}


class Page(HTMLParser):
    """Tags in the order in which they open, all text, every attribute; fails on tags that do not match."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def page(shown: Dataset | Case | LabelScheme) -> Page:
    """The parsed HTML, after what holds for all of them."""
    found = Page(shown._repr_html_())
    assert set(found.tags) <= {
        "div", "strong", "table", "thead", "tbody", "tr", "th", "td", "details", "summary", "span", "p",
    }  # fmt: skip
    for name, value in found.attributes:
        assert name in ("style", "scope")
        assert "url(" not in value
        # no colour of text, and a background for swatches alone, so that both themes can read it
        assert not re.search(r"(^|;)color", value)
        assert "background" not in value or "display:inline-block" in value
    return found


def made(folder: Path, *ids: str) -> Dataset:
    dataset = Dataset.create(folder)
    grid = Grid.from_spacing((6, 5, 4), (1.5, 1.5, 3.0), "LPS")
    for id_ in ids:
        write_volume(dataset.image_path(id_), np.zeros(grid.shape, np.int16), grid)
        write_label_map(dataset.mask_path(id_), np.zeros(grid.shape, np.uint8), grid)
    return Dataset(folder)


def test_data_set_tells_path_scheme_counts_first_cases_and_what_is_unpaired(tmp_path: Path) -> None:
    ids = [f"AutoPET_s{number // 2}_{number:05d}" for number in range(13)]
    dataset = made(tmp_path / "atlas", *ids)
    dataset.image_path(ids[-1]).unlink()
    text = page(Dataset(dataset.path)).text
    assert str(dataset.path) in text
    assert "LabelScheme('dap': 144 ids" in text
    assert "12 of 6 subjects" in text
    assert "1 without CT or label map: AutoPET_s6_00012" in text
    assert ids[9] in text
    assert ids[10] not in text
    assert "and 2 more" in text


def test_empty_data_set_says_so(tmp_path: Path) -> None:
    found = page(made(tmp_path))
    assert "0 of 0 subjects" in found.text
    assert found.tags.count("table") == 1


def test_case_tells_files_sizes_and_grids_from_headers_alone(tmp_path: Path) -> None:
    case = made(tmp_path, "AutoPET_abc_00123")[0]
    text = page(case).text
    for expected in (
        "AutoPET_abc_00123",
        "00123",
        str(case.image_path),
        "6 × 5 × 4",
        "1.5 × 1.5 × 3",
        "LPS",
        " B",
    ):
        assert expected in text


def test_case_whose_voxels_are_cut_off_is_shown_by_its_header(tmp_path: Path) -> None:
    case = made(tmp_path, "a")[0]
    assert case.mask_path is not None
    noise = np.random.default_rng(0).integers(0, 99, (60, 60, 60), np.uint8)
    write_label_map(case.mask_path, noise, Grid(noise.shape, np.eye(4)))
    case.mask_path.write_bytes(case.mask_path.read_bytes()[:-50_000])
    with pytest.raises(BadFileError, match="truncated"):
        case.label_map()
    assert "60 × 60 × 60" in page(case).text
    assert "cannot be read" not in page(case).text


def test_broken_missing_and_vanished_files_are_shown_and_do_not_raise(tmp_path: Path) -> None:
    case = made(tmp_path, "a")[0]
    assert case.image_path is not None
    assert case.mask_path is not None
    case.image_path.write_bytes(b"no NIfTI at all")
    case.mask_path.unlink()
    text = page(case).text
    assert "not a NIfTI file" in text
    assert "no such file" in text
    assert "none" in page(replace(case, image_path=None)).text
    case.image_path.unlink()
    case.image_path.mkdir()
    assert "cannot be read" in page(case).text


def test_folder_that_cannot_be_listed_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = made(tmp_path, "a")

    def refused(_path: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refused)
    assert "Permission denied" in page(dataset).text


def test_data_set_and_case_behind_a_url_are_shown() -> None:
    pytest.importorskip("upath")
    from dapatlas.locations import location

    root = location("memory://atlas-for-html")
    dataset = Dataset.create(root)
    (dataset.images_dir / "a.nii.gz").write_bytes(b"broken")
    (dataset.masks_dir / "a.nii.gz").write_bytes(b"broken")
    dataset = Dataset(root)
    assert "memory://" in page(dataset).text
    text = page(dataset[0]).text
    assert "6 B" in text
    assert "cannot be read" in text


def test_names_with_markup_are_shown_as_they_are(tmp_path: Path) -> None:
    nasty = NASTY.replace("/", "")
    dataset = made(tmp_path / nasty, nasty)
    assert dataset[0].id == nasty
    assert nasty in page(dataset).text
    assert nasty in page(dataset[0]).text
    scheme = dap()
    worse = replace(scheme.structures[1], display_name=NASTY, name=NASTY)
    shown = page(replace(scheme, name=NASTY, title=NASTY, structures=(scheme.structures[0], worse)))
    assert shown.text.count(NASTY) == 4


def test_scheme_has_a_folded_row_for_each_id_with_its_colour(tmp_path: Path) -> None:
    scheme = dap()
    found = page(scheme)
    assert found.tags.count("details") == 1
    assert ("open", "") not in found.attributes
    swatches = [style for _, style in found.attributes if "background" in style]
    assert len(swatches) == len(scheme)
    red, green, blue = scheme["liver"].colour
    assert swatches[list(scheme.names).index("liver")].endswith(f"background:rgb({red},{green},{blue})")
    for expected in ("liver", "Liver", "abdomen", "10200004", "kidney_left", "left"):
        assert expected in found.texts


@pytest.mark.parametrize("name", scheme_names())
def test_every_scheme_is_shown(name: str) -> None:
    scheme = load_scheme(name)
    assert page(scheme).tags.count("tr") >= len(scheme) + 1


def test_text_of_each_is_one_short_line(tmp_path: Path) -> None:
    dataset = made(tmp_path, "AutoPET_abc_00123")
    case = dataset[0]
    assert repr(case) == "Case('AutoPET_abc_00123', 'dap': CT and label map)"
    assert repr(replace(case, mask_path=None)) == "Case('AutoPET_abc_00123', 'dap': CT)"
    assert repr(replace(case, mask_path=None, image_path=None)).endswith("'dap': no file)")
    for shown in (case, dataset, dataset.scheme):
        assert "\n" not in repr(shown)
        assert len(repr(shown)) < 100 + len(str(tmp_path))
