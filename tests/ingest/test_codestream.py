"""Sizes in compressed pixels: those of real encoders, and none where bytes were damaged."""

import io

import numpy as np
import pydicom
import pytest
from dicom_tree import CtSpec, StudySpec, make_tree
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.encaps import encapsulate, generate_frames

from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.codestream import size_of
from dapatlas.ingest.dicom.convert import write_ct
from dapatlas.ingest.fault import IngestError


def made(tmp_path, syntax):
    return make_tree(tmp_path, [StudySpec(cts=(CtSpec(slices=4, syntax=syntax),))]).studies[0].ct.files


def pillow(kind, **options):
    stream = io.BytesIO()
    Image.fromarray(np.zeros((30, 50), np.uint8)).save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("syntax", ["jpeg2000", "jpegls"])
def test_the_size_that_encoders_for_dicom_write(tmp_path, syntax):
    image = pydicom.dcmread(made(tmp_path, syntax)[0])
    (code,) = generate_frames(image.PixelData, number_of_frames=1)
    assert size_of(code) == (64, 64)


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True, "comment": b"\xff\xc0 no frame"}),
        ("JPEG2000", {"no_jp2": True}),
        ("JPEG2000", {}),  # in the boxes of a JP2 file
        ("JPEG2000", {"no_jp2": True, "tile_size": (16, 16), "offset": (3, 5)}),
    ],
)
def test_the_size_that_another_encoder_writes(kind, options):
    assert size_of(pillow(kind, **options)) == (30, 50)


def test_a_million_tiles_are_no_sensible_size():
    code = bytearray(pillow("JPEG2000", no_jp2=True))
    code[8:16] = (65535).to_bytes(4, "big") * 2  # columns and rows
    assert size_of(code) is None or size_of(code) == (65535, 65535)
    code[24:32] = (1).to_bytes(4, "big") * 2  # of a tile
    assert size_of(code) is None


@given(st.binary(max_size=80), st.sampled_from([b"", b"\xff\xd8", b"\xff\x4f\xff\x51"]))
def test_noise_has_some_size_or_none_and_raises_nothing(noise, start):
    found = size_of(start + noise)
    assert found is None or len(found) == 2


@pytest.mark.parametrize("syntax", ["jpeg2000", "jpegls"])
def test_a_picture_of_another_size_than_its_header_says_is_not_decoded(tmp_path, syntax):
    files = made(tmp_path, syntax)
    image = pydicom.dcmread(files[1])
    (code,) = generate_frames(image.PixelData, number_of_frames=1)
    at = code.index((64).to_bytes(4 if syntax == "jpeg2000" else 2, "big"))
    image.PixelData = encapsulate(
        [code[:at] + b"\x7f" + code[at + 1 :]]
    )  # two thousand million, or thirty thousand
    image.save_as(files[1])
    with pytest.raises(IngestError, match="expected \\(64, 64\\)") as caught:
        write_ct(files, tmp_path / "ct.nii.gz")
    assert caught.value.code is Code.CORRUPT_FILE
    assert str(files[1]) in str(caught.value)


def test_damage_within_jpeg_ls_is_found(tmp_path):
    pytest.importorskip("jpeg_ls")  # of pyjpegls; libjpeg decodes it to noise
    files = made(tmp_path, "jpegls")
    image = pydicom.dcmread(files[1])
    (code,) = generate_frames(image.PixelData, number_of_frames=1)
    half = len(code) // 2
    image.PixelData = encapsulate([code[:half] + bytes(100) + code[half + 100 :]])
    image.save_as(files[1])
    with pytest.raises(IngestError) as caught:
        write_ct(files, tmp_path / "ct.nii.gz")
    assert caught.value.code is Code.CORRUPT_FILE
