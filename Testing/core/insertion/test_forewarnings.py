"""What a user should know before a tumor grows: how the scan was read, and targets that the place cannot take."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import SimpleITK as sitk

from TumorGenCore import Box, TumorGenerator, TumorRequest, VariantRun
from TumorGenCore.volumes.suv import TAKEN_AS_SUV, PetUnits
from TumorGenCore.volumes.volume import PetVolume

BOX = Box((62.0, 62.0, 62.0), (40.0, 40.0, 40.0))
UNITS = PetUnits("BQML", 0.5, "dicom tags", ("Two times disagree.",))


@pytest.fixture(scope="module")
def generator(tiny_bundle_folder) -> TumorGenerator:
    return TumorGenerator.from_pretrained(tiny_bundle_folder, device="cpu")


def scan(suv: float = 5.0) -> sitk.Image:
    """A scan of 32 x 32 x 32 voxels of 4 mm with tissue of one uptake and 5 % noise."""
    values = suv * (1 + 0.05 * np.random.default_rng(2).standard_normal((32, 32, 32)))
    image = sitk.GetImageFromArray(values.astype(np.float32))
    image.SetSpacing((4.0, 4.0, 4.0))
    return image


def test_remarks_of_reading_come_first_and_reach_tumor_variant_and_provenance(generator):
    prepared = generator.prepare(PetVolume(scan(), UNITS, ("The file has no place.",)), BOX)
    request = TumorRequest(steps=1)
    assert prepared.forewarnings(request) == ("The file has no place.", "Two times disagree.")
    run = VariantRun(generator, prepared, request, [1], more_boxes=[Box((62.0, 62.0, 30.0), (30.0, 30.0, 20.0))])
    assert run.forewarnings == prepared.forewarnings(request)
    (variant,) = run
    for said in (variant.warnings, variant.summary.warnings, variant.provenance["warnings"]):
        assert tuple(said[:2]) == run.forewarnings
        assert len(set(said)) == len(said)


@pytest.mark.filterwarnings("ignore::TumorGenCore.errors.UnknownUnitsWarning")
def test_another_factor_drops_what_was_said_about_the_one_of_the_scan(generator):
    volume = PetVolume(scan(), UNITS, ("The file has no place.",))
    said = generator.insert(volume, BOX, TumorRequest(steps=1), suv_factor=1).provenance["warnings"]
    assert said[0] == "The file has no place." and "Two times disagree." not in said
    prepared = generator.prepare(volume, BOX, suv_factor=1000)
    file, units = prepared.forewarnings(TumorRequest())
    assert file == "The file has no place." and "do not look like SUV (factor 1000, given)" in units


def test_an_image_in_memory_without_a_factor_says_so_in_its_provenance_too(generator):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tumor = generator.insert(scan(), BOX, TumorRequest(steps=1))
    assert [str(warning.message) for warning in caught] == [TAKEN_AS_SUV]
    assert tumor.warnings[0] == json.loads(json.dumps(tumor.provenance))["warnings"][0] == TAKEN_AS_SUV
    assert TAKEN_AS_SUV not in generator.insert(scan(), BOX, TumorRequest(steps=1), suv_factor=1).warnings


@pytest.mark.parametrize("measure", ["max", "mean"])
@pytest.mark.parametrize(("target", "said"), [(4.0, True), (4.9, True), (9.0, False)])
def test_a_target_that_the_tissue_already_has_is_said(generator, measure, target, said):
    prepared = generator.prepare(scan(5.0), BOX, suv_factor=1)
    lines = prepared.forewarnings(TumorRequest(**{f"suv_{measure}": target}))
    words = f"The target SUV{measure} {target:g} is not above the tissue around the box (median SUV 5.0)"
    assert [words in line for line in lines] == ([True] if said else [])


def test_a_fill_beyond_what_fades_toward_the_faces_is_said_and_is_right(generator):
    # Half of the change is left 3 mm below a face. The voxels lie 4 mm apart, 2 mm from the faces of the box: the outer
    # layer is out, and 8 of 10 voxels are left along each axis.
    prepared = generator.prepare(scan(), BOX, suv_factor=1)
    (line,) = prepared.forewarnings(TumorRequest(fill=0.6))
    assert line.startswith("A tumor cannot fill 60 % of this box") and "at most 51 % can become tumor" in line
    assert prepared.forewarnings(TumorRequest(fill=0.5)) == ()


def test_no_tumor_fills_more_than_is_said(generator):
    prepared = generator.prepare(scan(), BOX, suv_factor=1)
    with pytest.MonkeyPatch.context() as patched:
        everything = lambda _self, _prepared: lambda probability, *_: np.ones_like(probability)  # noqa: E731
        patched.setattr(TumorGenerator, "fit_mask", everything)
        tumor = generator.generate(prepared, TumorRequest(steps=1))
    assert tumor.pasted.fill == pytest.approx(0.8**3)


@pytest.mark.parametrize(
    ("fill", "voxels", "can"),
    [
        (0.0004, "0.4", "0.1 %"),
        (0.0015, "1.5", "0.2 %"),
        (0.0033, "3.3", "0.3 %"),
        (0.003, None, None),
        (0.05, None, None),
    ],
)
def test_a_fill_that_is_no_whole_number_of_voxels_is_said(generator, fill, voxels, can):
    # A voxel is 0.1 % of the box: (4 / 40) ** 3.
    lines = generator.prepare(scan(), BOX, suv_factor=1).forewarnings(TumorRequest(fill=fill))
    if voxels is None:
        assert lines == ()
    else:
        (line,) = lines
        assert (
            line.startswith(f"A fill of {100 * fill:g} % is {voxels} voxels of this scan") and f"can fill {can}" in line
        )
