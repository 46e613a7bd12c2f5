"""Each format is read by the tool that it is for, and no export tells who was scanned."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import mlcroissant
import numpy as np
import SimpleITK as sitk
from monai.data import load_decathlon_datalist
from monai.transforms import LoadImaged

from TumorGenCore.cohort.exports.export import Exported, export_cohort
from TumorGenCore.cohort.exports.request import ExportRequest
from TumorGenCore.volumes.file_hash import sha256_of

PATTERN = r"^(p\d)"
PERSONS = ("MillerAnna", "SmithJohn")


def export(made: Path, form: str, **options) -> Exported:
    request = ExportRequest(patient_pattern=PATTERN, **options)
    found = export_cohort(made, made.parent / form, form, request)
    assert_synthetic_and_nameless(made, found.folder)
    return found


def assert_synthetic_and_nameless(made: Path, folder: Path) -> None:
    """The export says that it is synthetic, and not who was scanned, although the run knows it."""
    assert "age_years" in (made / "truth.csv").read_text()
    assert all(any(name in path.read_text() for path in made.glob("*.json")) for name in PERSONS)
    texts = {path: path.read_text() for path in folder.rglob("*") if path.suffix in (".md", ".json", ".csv", ".tsv")}
    for path, text in texts.items():
        assert not [word for word in (*PERSONS, str(made.parent), "age_years", "weight_kg") if word in text], path
    card = texts[folder / "README.md"]
    assert "Synthetic, not for diagnosis" in card and "in a given box | 2" in card and "4 results with 5" in card
    assert sitk.ReadImage(str(folder / "data_card.png")).GetSize()[0] > 500


def bids_errors(folder: Path) -> list[str]:
    program = Path(sys.executable).with_name("bids-validator-deno")
    done = subprocess.run([program, "--format", "json", folder], capture_output=True, text=True)
    issues = json.loads(done.stdout)["issues"]["issues"]
    return [f"{issue['code']} {issue.get('location')}" for issue in issues if issue["severity"] == "error"]


def test_nnunet_has_its_layout_without_copies_and_keeps_patients_apart(made):
    before = {path.name: sha256_of(path) for path in made.iterdir()}
    found = export(made, "nnunet", name="Lesions", dataset_id=7)
    assert found.folder == made.parent / "nnunet" / "Dataset007_Lesions"
    assert (found.results, found.lesions, found.patients, found.folds, found.has_ct) == (4, 5, 2, 2, True)
    dataset = json.loads((found.folder / "dataset.json").read_text())
    assert dataset["channel_names"] == {"0": "PET", "1": "CT"} and dataset["numTraining"] == 4
    names = ("p1-a_0", "p1-a_1", "p1-b_0", "p2_0")
    for name in names:
        image, mask = found.folder / f"imagesTr/{name}_0000.nii.gz", found.folder / f"labelsTr/{name}.nii.gz"
        assert image.samefile(made / f"{name}_image.nii.gz") and mask.samefile(made / f"{name}_mask.nii.gz")
        pet, ct = (sitk.ReadImage(str(found.folder / f"imagesTr/{name}_000{n}.nii.gz")) for n in (0, 1))
        assert (pet.GetSize(), pet.GetSpacing(), pet.GetOrigin()) == (ct.GetSize(), ct.GetSpacing(), ct.GetOrigin())
    assert (found.folder / "imagesTr/p1-a_1_0001.nii.gz").samefile(made / "p1-a_ct.nii.gz")
    splits = json.loads((found.folder / "splits_final.json").read_text())
    assert sorted(split["val"] for split in splits) == [["p1-a_0", "p1-a_1", "p1-b_0"], ["p2_0"]]
    assert all(sorted(split["train"] + split["val"]) == sorted(names) for split in splits)
    assert "1 of 3 CTs were resampled" in (found.folder / "README.md").read_text()
    assert {path.name: sha256_of(path) for path in made.iterdir()} == before


def test_the_validator_of_bids_finds_no_error(made):
    folder = export(made, "bids").folder
    assert bids_errors(folder) == []
    description = json.loads((folder / "dataset_description.json").read_text())
    assert description["DatasetType"] == "derivative" and description["SourceDatasets"]
    assert len(list(folder.glob("sub-p1a/pet/sub-p1a_trc-18FFDG_desc-p1?seed?_pet.nii.gz"))) == 3
    assert (folder / "sub-p2/ct/sub-p2_desc-p2_ct.mha").samefile(made / "p2_ct.mha")
    (folder / ".bidsignore").unlink()
    assert bids_errors(folder)  # it does look


def test_monai_loads_both_sides_of_each_fold(made):
    folder = export(made, "monai").folder
    sides = []
    for number in (0, 1):
        path = folder / f"datalist_{number}.json"
        training, validation = (load_decathlon_datalist(path, True, key) for key in ("training", "validation"))
        assert not {item["label"] for item in training} & {item["label"] for item in validation}
        sides.append(sorted(Path(item["label"]).name[:2] for item in validation))
    assert sorted(sides) == [["p1", "p1", "p1"], ["p2"]]
    (item,) = (item for item in [*training, *validation] if item["label"].endswith("p2_0.nii.gz"))
    loaded = LoadImaged(keys=["image", "label"], ensure_channel_first=True)(item)
    assert loaded["image"].shape == (2, 40, 40, 40) and loaded["label"].shape == (1, 40, 40, 40)
    pet = sitk.GetArrayFromImage(sitk.ReadImage(str(made / "p2_0_image.nii.gz")))
    assert np.array_equal(loaded["image"][0].numpy().T, pet)


def test_croissant_is_valid_and_has_every_lesion(made, caplog):
    folder = export(made, "croissant", license="https://creativecommons.org/licenses/by/4.0/").folder
    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    assert not dataset.metadata.ctx.issues.errors and not dataset.metadata.ctx.issues.warnings
    results = [record["results/image"].decode() for record in dataset.records("results")]
    assert results == [f"images/{name}.nii.gz" for name in ("p1-a_0", "p1-a_1", "p1-b_0", "p2_0")]
    with (folder / "truth.csv").open() as file:
        rows = list(csv.DictReader(file))
    lesions = list(dataset.records("lesions"))
    assert [record["lesions/volume_ml"] for record in lesions] == [float(row["volume_ml"]) for row in rows]
    assert {record["lesions/quality_passes"] for record in lesions} <= {0, 1}
    values = json.loads((folder / "croissant.json").read_text())
    files = {file["contentUrl"]: file["sha256"] for file in values["distribution"]}
    assert files == {name: sha256_of(folder / name) for name in files}
    put = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert put - set(files) == {"croissant.json", "README.md", "data_card.png"}
