"""The CT of the same examination comes along with its pixels, or is refused."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.uid import RLELossless, generate_uid
from study_cases import CANARIES, a_lump, a_result, headers_of, record, write_series

from TumorGenCore.dicom_study.study import StudySource, write_dicom_study
from TumorGenCore.errors import InvalidRequestError, UnsupportedVolumeError
from TumorGenCore.volumes.read import read_volume

CT_STORAGE = "1.2.840.10008.5.1.4.1.1.2"


def write_ct(folder: Path, **tags) -> Path:
    """Turns slices of a PET series into CT slices, of which the first is compressed."""
    write_series(
        folder, SOPClassUID=CT_STORAGE, Modality="CT", ImageType=["ORIGINAL", "PRIMARY", "AXIAL"], KVP="120",
        RescaleSlope="1", RescaleIntercept="-1024", WindowCenter=["40", "-600"], WindowWidth=["400", "1500"], **tags,
    )  # fmt: skip
    first = pydicom.dcmread(folder / "0.dcm")
    first.compress(RLELossless, generate_instance_uid=False)
    first.save_as(folder / "0.dcm")
    return folder


@pytest.fixture
def pet(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return write_series(tmp_path / "pet"), read_volume(tmp_path / "pet")


def test_the_ct_keeps_pixels_and_place_in_the_new_study(pet, tmp_path):
    series, volume = pet
    ct = write_ct(tmp_path / "ct")
    image, masks = a_result(volume, a_lump(volume.image.GetSize()[::-1]))
    write_dicom_study(tmp_path / "study", image, masks, record(volume), series, ct)
    made, new_pet = headers_of(tmp_path / "study" / "ct"), headers_of(tmp_path / "study" / "pet")[0]
    before = {header.InstanceNumber: header for header in headers_of(ct)}
    assert len(made) == len(before)
    for header in made:
        old = before[header.InstanceNumber]
        assert np.array_equal(header.pixel_array, old.pixel_array)
        assert header.file_meta.TransferSyntaxUID == old.file_meta.TransferSyntaxUID
        for keyword in ("ImagePositionPatient", "RescaleSlope", "RescaleIntercept", "KVP", "WindowCenter", "ImageType"):
            assert header[keyword].value == old[keyword].value, keyword
        for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "PatientID", "SeriesDate"):
            assert header[keyword].value == new_pet[keyword].value, keyword
        assert "unchanged by TumorGen" in header.SeriesDescription and header.SyntheticData == "NO"
    for path in (tmp_path / "study" / "ct").iterdir():
        content = path.read_bytes()
        assert not [text for text in (*CANARIES.values(), "CANARY") if text.encode() in content]


def test_a_ct_from_elsewhere_is_refused_before_the_work(pet, tmp_path):
    series, _ = pet
    other = write_ct(tmp_path / "other", FrameOfReferenceUID=generate_uid())
    with pytest.raises(InvalidRequestError, match="another FrameOfReferenceUID"):
        StudySource.of(series, other)
    with pytest.raises(UnsupportedVolumeError, match="0 CT series"):
        StudySource.of(series, series)
    with pytest.raises(InvalidRequestError, match="with a DICOM PET series"):
        StudySource.of(next(series.iterdir()), other)
