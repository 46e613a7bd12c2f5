"""`tumorgen tell-apart`: tries settings on training patients only, and finds a setting that gives tumors away."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import SimpleITK as sitk
from small_cases import write_patients
from tiny_bundle import tiny_generator

from TumorGenCore import TumorGenerator
from TumorGenCore.bundle.laws import UptakeLaw
from TumorGenCore.errors import InvalidRequestError, TrainingDataError
from TumorGenCore.evaluation.rivals.as_sampled import limits
from TumorGenCore.evaluation.rivals.from_folder import site_file
from TumorGenCore.evaluation.rivals.own import Own
from TumorGenCore.evaluation.sites import sites_of
from TumorGenCore.evaluation.studies.settings import with_settings
from TumorGenCore.evaluation.studies.telling_apart import tell_apart
from TumorGenCore.evaluation.two_sample.boxed import OWN, SAME
from TumorGenCore.training.data.cases import load_cases
from TumorGenCore.volumes.geometry import Grid

HELD_OUT, TRAINING = ["H0"], [f"T{n}" for n in range(6)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_patients(tmp_path_factory.mktemp("patients"), HELD_OUT + TRAINING)


@pytest.fixture
def generator(tiny_bundle_folder: Path) -> TumorGenerator:
    return tiny_generator(tiny_bundle_folder, TRAINING, HELD_OUT)


@pytest.mark.slow
def test_settings_are_tried_on_training_patients_beside_the_references(folder, generator, tmp_path) -> None:
    setting = "sampling.steps=1 uptake.median_suv_max=60"
    report = tell_apart(generator, folder, tmp_path / "out", settings=[setting], seeds=1)
    assert report == json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["cases"] == TRAINING
    names = ["as in the bundle", setting, "copy-paste", "by rule"]
    for view in (OWN, SAME):
        assert list(report["two_sample"][view]["methods"]) == names
    assert list(report["masks"]) == ["real", *names]
    # The law is obeyed: drawn around 60, and nowhere near the uptake that the untrained model makes.
    assert report["masks"][setting]["suv_max"] > 25 > report["masks"]["real"]["suv_max"]
    text = (tmp_path / "out" / "report.md").read_text()
    assert all(text.count(f"| {name} |") >= 3 for name in names)


def test_real_tumors_after_the_steps_around_the_network_keep_place_and_mask(folder, generator) -> None:
    (case,) = load_cases(folder, ["T0"])
    (site,) = sites_of(case, healthy=0)
    before = sitk.GetArrayFromImage(site.image)
    inside = site.box.mask(Grid.from_image(site.image))
    tumor = sitk.GetArrayViewFromImage(site.real) > 0
    errors = {}
    for name, method in limits(generator).items():
        image, mask = method(site, 0)
        after = sitk.GetArrayFromImage(image)
        assert (sitk.GetArrayViewFromImage(mask) == sitk.GetArrayViewFromImage(site.real)).all()
        assert (after == before)[~inside].all()
        errors[name] = np.abs(after - before)[tumor].mean()
    assert 0 < errors["real, after the patch"] < 0.5 * errors["real, after patch and VAE"]


@pytest.mark.slow
def test_tumors_of_another_program_are_judged_from_their_folder(folder, generator, tmp_path) -> None:
    """The same tumors, from their files, cannot be told from those of the bundle by any figure."""
    tumors = tmp_path / "tumors"
    tumors.mkdir()
    for case in load_cases(folder):
        for site in sites_of(case, healthy=0):
            image, mask = Own(generator)(site, 0)
            sitk.WriteImage(image, str(site_file(tumors, site.name, 0, "image")))
            sitk.WriteImage(mask, str(site_file(tumors, site.name, 0, "mask")))
    report = tell_apart(generator, folder, tmp_path / "out", tumors={"others": tumors}, seeds=1, references=False)
    assert report["masks"]["others"] == pytest.approx(report["masks"]["as in the bundle"])
    methods = report["two_sample"][OWN]["methods"]
    assert methods["others"]["all features"]["auc"] == methods["as in the bundle"]["all features"]["auc"]

    next(tumors.glob("T3*_mask.nii.gz")).unlink()
    with pytest.raises(TrainingDataError, match=r"T3.*mask\.nii\.gz is missing"):
        tell_apart(generator, folder, tmp_path / "again", tumors={"others": tumors}, seeds=1, references=False)


@pytest.mark.parametrize("patients", ["held-out", "all"])
def test_settings_are_not_tried_on_held_out_patients(folder, generator, tmp_path, patients) -> None:
    with pytest.raises(InvalidRequestError, match="chosen on training patients"):
        tell_apart(generator, folder, tmp_path / "out", patients, settings=["fill.median=0.2"])
    assert not (tmp_path / "out").exists()


def test_a_folder_without_these_patients_is_refused(generator, tmp_path) -> None:
    with pytest.raises(TrainingDataError, match="no training case"):
        tell_apart(generator, tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_too_few_patients_leave_the_test_out(folder, generator, tmp_path) -> None:
    report = tell_apart(generator, folder, tmp_path / "out", "held-out", seeds=1, references=False)
    assert "1 patients" in report["two_sample"]["left_out"]
    assert "Left out" in (tmp_path / "out" / "report.md").read_text()


def test_settings_replace_those_of_the_bundle(generator) -> None:
    changed = with_settings(generator.bundle, "uptake.median_suv_max=9 uptake.spread=0.3 tuning.speck_tries=[2,4]")
    assert changed.uptake == replace(generator.bundle.uptake, median_suv_max=9, spread=0.3)
    assert changed.tuning.speck_tries == (2, 4)
    assert generator.bundle.uptake == UptakeLaw() and changed.vae is generator.bundle.vae


@pytest.mark.parametrize(
    "text", ["uptake", "uptake.hot=1", "weights.vae=1", "uptake.spread=wide", "uptake.spread=-1", "notes.cases=1", "=3"]
)
def test_a_setting_that_cannot_be_used_is_named(generator, text) -> None:
    with pytest.raises(InvalidRequestError, match=text.split(".")[0]):
        with_settings(generator.bundle, text)
