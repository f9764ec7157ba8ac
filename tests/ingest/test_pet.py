"""PET series as SUV: each slice with its own slope, on the grid that dicom2nifti gives."""

from datetime import datetime

import nibabel as nib
import numpy as np
import pydicom
import pytest
from dicom_tree import PetSpec, StudySpec, make_tree
from pydicom.dataset import Dataset
from small_series import edit, save_series

from dapatlas.ingest.codes import Code
from dapatlas.ingest.dicom.pet import pet_facts, write_suv
from dapatlas.ingest.fault import IngestError
from dapatlas.volumes import read_volume

FACTOR = 75_000 / (3e8 * 0.5 ** (3600 / 6586.2))  # of PetSpec: 75 kg, 300 MBq, an hour before


def made_pet(tmp_path, **spec):
    return make_tree(tmp_path / "tree", [StudySpec(pets=(PetSpec(**spec),))]).studies[0].pet


def canonical(array, affine):
    image = nib.as_closest_canonical(nib.Nifti1Image(array, affine))
    return np.asarray(image.dataobj), image.affine


def test_activity_becomes_suv_with_a_slope_for_each_slice(tmp_path):
    pet = made_pet(tmp_path)
    slopes = {float(pydicom.dcmread(path).RescaleSlope) for path in pet.files}
    assert len(slopes) > 6, "the series was to have many slopes"
    written = write_suv(pet.files, tmp_path / "suv.nii.gz")
    volume = read_volume(tmp_path / "suv.nii.gz")
    suv, affine = canonical(volume.array, volume.grid.affine)
    expected, expected_affine = canonical(pet.voxels * FACTOR, pet.affine)
    assert volume.array.dtype == np.float32
    np.testing.assert_allclose(suv, expected, atol=2 * FACTOR)  # stored numbers are rounded to 1.5 Bq/ml
    np.testing.assert_allclose(affine, expected_affine, atol=1e-3)
    assert written.grid == volume.grid
    assert written.grid.orientation == "LAS"
    assert written.factor == pytest.approx(FACTOR)
    assert written.most == volume.array.max() == pytest.approx(30_000 * FACTOR, rel=1e-4)
    assert written.doubt == ""


def test_it_is_dicom2niftis_activity_times_the_factor(tmp_path):
    convert = pytest.importorskip("dicom2nifti.convert_dicom")
    pet = made_pet(tmp_path)
    reference = tmp_path / "reference.nii.gz"
    convert.dicom_array_to_nifti([pydicom.dcmread(path) for path in pet.files], str(reference), True)
    written = write_suv(pet.files, tmp_path / "suv.nii.gz")
    expected = nib.load(reference)
    np.testing.assert_array_equal(written.grid.affine, expected.affine)
    np.testing.assert_allclose(
        read_volume(tmp_path / "suv.nii.gz").array, np.asarray(expected.dataobj) * FACTOR, rtol=1e-6
    )


def test_the_first_acquisition_of_all_slices_counts(tmp_path):
    """The series was made at 12, from beds at 11 and later: an hour after the injection at 10."""
    pet = made_pet(tmp_path)
    for number, path in enumerate(pet.files):
        edit(path, SeriesTime="120000", AcquisitionTime=f"11{(number + 5) % 12:02}00")
    written = write_suv(pet.files, tmp_path / "suv.nii.gz")
    assert written.facts.acquired_at == datetime(2003, 3, 23, 11)
    assert written.factor == pytest.approx(FACTOR)


def test_the_private_scan_time_of_ge_counts_for_a_series_made_later(tmp_path):
    pet = made_pet(tmp_path)
    for path in pet.files:
        image = pydicom.dcmread(path)
        image.SeriesTime = "120000"
        image.private_block(0x0009, "GEMS_PETD_01", create=True).add_new(0x0D, "DT", "20030323105959.00")
        image.save_as(path)
    written = write_suv(pet.files, tmp_path / "suv.nii.gz")
    assert written.facts.ge_scan_at == datetime(2003, 3, 23, 10, 59, 59)
    assert written.factor == pytest.approx(75_000 / (3e8 * 0.5 ** (3599 / 6586.2)))


def test_counts_of_philips_become_suv(tmp_path):
    pet = made_pet(tmp_path, units="CNTS")
    for path in pet.files:
        image = pydicom.dcmread(path)
        block = image.private_block(0x7053, "Philips PET Private Group", create=True)
        block.add_new(0x00, "DS", "0.00025")
        block.add_new(0x09, "DS", "1.5")
        image.save_as(path)
    assert write_suv(pet.files, tmp_path / "suv.nii.gz").factor == 0.00025
    headers = [(path, pydicom.dcmread(path)) for path in pet.files]
    assert pet_facts(headers).philips_activity == 1.5


def test_suv_that_no_patient_has_are_doubted(tmp_path):
    stored = np.full((4, 5, 6), 1000)
    drug = Dataset()
    fields = {"Units": "GML", "SeriesTime": "110000", "RadiopharmaceuticalInformationSequence": [drug]}
    for slope, words in [(0.0001, "0.1 g/ml"), (1000, "1e+06 g/ml")]:
        files = save_series(tmp_path / "series", stored, slopes=slope, intercept=0, modality="PT", **fields)
        written = write_suv(files, tmp_path / "suv.nii.gz")
        assert written.factor == 1
        assert words in written.doubt


@pytest.mark.parametrize(
    ("spec", "code"),
    [
        ({"weight_kg": None}, Code.SUV_FIELD_MISSING),
        ({"dose_bq": None}, Code.SUV_FIELD_MISSING),
        ({"half_life_s": None}, Code.SUV_FIELD_MISSING),
        ({"injected": None}, Code.SUV_FIELD_MISSING),
        ({"dose_bq": 300}, Code.SUV_UNITS),
        ({"units": "CNTS"}, Code.SUV_UNITS),
        ({"decay": "NONE"}, Code.SUV_DECAY),
        ({"corrected": ("NORM", "DECY")}, Code.SUV_UNCORRECTED),
    ],
)
def test_fields_that_suv_needs_are_asked_for_and_nothing_is_written(tmp_path, spec, code):
    pet = made_pet(tmp_path, **spec)
    with pytest.raises(IngestError) as caught:
        write_suv(pet.files, tmp_path / "suv.nii.gz")
    assert caught.value.code is code
    assert str(pet.folder) in str(caught.value)
    assert not (tmp_path / "suv.nii.gz").exists()


def test_a_series_without_any_nuclide_is_refused(tmp_path):
    pet = made_pet(tmp_path)
    for path in pet.files:
        edit(path, RadiopharmaceuticalInformationSequence=None)
    with pytest.raises(IngestError, match="0018,1074"):
        write_suv(pet.files, tmp_path / "suv.nii.gz")


def test_slices_that_contradict_each_other_are_refused(tmp_path):
    pet = made_pet(tmp_path)
    edit(pet.files[3], Units="GML")
    with pytest.raises(IngestError, match="differ in Units: BQML, GML"):
        write_suv(pet.files, tmp_path / "suv.nii.gz")


def test_a_ct_is_no_pet(tmp_path):
    files = save_series(tmp_path / "series", np.zeros((4, 5, 6)))
    with pytest.raises(IngestError, match="modality CT; expected PT"):
        write_suv(files, tmp_path / "suv.nii.gz")
