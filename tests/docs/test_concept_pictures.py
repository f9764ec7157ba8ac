"""Every guideline has its section and its picture, and the pictures show what they say."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs" / "hooks"))

import concept_errors  # noqa: E402
import concept_pictures  # noqa: E402

from dapatlas.labels import Sex, dap  # noqa: E402
from dapatlas.refine.settings import GUIDELINES  # noqa: E402

FOLDER = ROOT / "docs" / "images" / "concepts"
PAGES = sorted((ROOT / "docs" / "concepts").glob("*.md"))
COARSE = (117, 117, 278)  # 3.5 mm: a third of the voxels of the pictures


def page(name: str) -> str:
    return (ROOT / "docs" / "concepts" / name).read_text(encoding="utf-8")


def test_every_guideline_has_its_section_with_its_picture():
    text = page("guidelines.md")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert list(sections) == list(GUIDELINES)
    for name, section in sections.items():
        assert f"](../images/concepts/guideline_{name}.png)" in section
        for word in ("What goes wrong", "What the guideline does", "Needs in view", "Source"):
            assert f"**{word}.**" in section, (name, word)


def test_every_picture_is_shown_and_every_one_shown_can_be_made():
    shown = {
        name for one in PAGES for name in re.findall(r"images/concepts/(\w+)\.png", one.read_text("utf-8"))
    }
    assert shown == set(concept_pictures.PICTURES)
    assert shown == {file.stem for file in FOLDER.iterdir()}


@pytest.mark.parametrize("name", concept_pictures.PICTURES)
def test_pictures_are_wide_enough_to_read_and_small_enough_to_load(name: str):
    file = FOLDER / f"{name}.png"
    assert file.stat().st_size < 150_000
    with Image.open(file) as picture:
        assert 600 <= picture.width <= 900


@pytest.mark.parametrize("guideline", GUIDELINES)
def test_the_guideline_alone_brings_back_the_truth(guideline: str):
    sex, spoil = concept_errors.ERRORS[guideline]
    subject = concept_errors.body(sex, COARSE)
    spoiled = spoil(subject)
    assert (spoiled != subject.truth).any()
    np.testing.assert_array_equal(concept_pictures.mended(subject, spoiled, guideline), subject.truth)


def test_the_script_writes_a_picture_whose_right_half_has_no_error(tmp_path, monkeypatch):
    monkeypatch.setattr(concept_pictures, "FOLDER", tmp_path)
    small = {"fragments": lambda: concept_pictures.guideline_picture("fragments", COARSE)}
    monkeypatch.setattr(concept_pictures, "PICTURES", small)
    concept_pictures.main(["fragments"])
    (file,) = tmp_path.iterdir()
    with Image.open(file) as picture:
        pixels = np.array(picture.convert("RGB"))
    outline = (pixels == concept_pictures.draw.MARKED).all(axis=-1)
    half = pixels.shape[1] // 2
    assert outline[:, :half].any()
    assert not outline[:, half:].any()


def test_what_the_page_says_of_the_way_to_totalsegmentator_and_back_is_so():
    subject = concept_errors.body(Sex.FEMALE, COARSE)
    theirs, again = concept_pictures.translated(subject)
    text = " ".join(page("crosswalks.md").split())
    ids, left, back = map(
        int, re.search(r"woman's (\d+) ids, (\d+) are left .*? and (\d+) after", text).groups()
    )
    share = int(re.search(r"only (\d+) % of the body's voxels", text)[1])
    present = [len(np.unique(volume[volume != 0])) for volume in (subject.truth, theirs, again)]
    assert present == [ids, left, back]
    inside = subject.truth != dap()["background"].id
    assert 100 * (theirs != 0)[inside].mean() == pytest.approx(share, abs=1.5)
