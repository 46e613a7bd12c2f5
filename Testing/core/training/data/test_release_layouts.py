"""The folders of public releases: scans are found by the names that each release gives, and told apart by patient."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import pytest

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.training.data.release_layouts import PATIENT_PATTERNS, find_scans, with_diagnosis

STUDY = "04-04-2003-NA-PET-CT Ganzkoerper  primaer mit KM-12345"
FDG_1 = f"FDG-PET-CT-Lesions/PETCT_0011f3deaf/{STUDY}"
FDG_2 = "FDG-PET-CT-Lesions/PETCT_0011f3deaf/06-01-2003-NA-Unspecified CT ABDOMEN-1"
FDG_3 = "FDG-PET-CT-Lesions/PETCT_ae8c77a995/05-18-2007-NA-PET-CT-2"


def tree(folder: Path, *names: str) -> Path:
    """Makes empty files: a scan is found by names alone."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def studies(folder: Path, *places: str) -> Path:
    files = ("CT", "CTres", "PET", "SEG", "SUV")
    return tree(folder, *(f"{place}/{file}.nii.gz" for place in places for file in files))


def nnunet(folder: Path, *cases: str, labels: Sequence[str] | None = None) -> Path:
    tree(folder, *(f"imagesTr/{case}_000{n}.nii.gz" for case in cases for n in (0, 1)))
    return tree(folder, *(f"labelsTr/{case}.nii.gz" for case in (cases if labels is None else labels)))


def found(folder: Path, layout: str, tracer: str = "fdg") -> list[tuple[str, str, str, str]]:
    return [
        (s.case, s.patient, s.image.relative_to(folder).as_posix(), s.mask.relative_to(folder).as_posix())
        for s in find_scans(folder, layout, tracer).scans
    ]


def test_autopet_1_has_a_folder_for_each_patient_and_study(tmp_path):
    studies(tmp_path, FDG_3, FDG_1, FDG_2)
    one, two, three = found(tmp_path, "autopet")
    assert one == (f"fdg_0011f3deaf_{STUDY}", "fdg_0011f3deaf", f"{FDG_1}/SUV.nii.gz", f"{FDG_1}/SEG.nii.gz")
    assert two[1] == "fdg_0011f3deaf" and three[1] == "fdg_ae8c77a995"
    # The folder of all patients will do, too.
    assert len(find_scans(tmp_path / "FDG-PET-CT-Lesions", "autopet").scans) == 3


def test_autopet_3_gives_the_same_names_to_the_same_studies(tmp_path):
    case = f"fdg_0011f3deaf_{STUDY}"
    nnunet(tmp_path / "nnunet", case)
    assert found(tmp_path / "nnunet", "autopet") == [
        (case, "fdg_0011f3deaf", f"imagesTr/{case}_0001.nii.gz", f"labelsTr/{case}.nii.gz")
    ]
    studies(tmp_path / "studies", FDG_1)
    assert found(tmp_path / "studies", "autopet")[0][:2] == (case, "fdg_0011f3deaf")


def test_psma_is_taken_only_if_it_is_asked_for(tmp_path):
    fdg, psma = f"fdg_0011f3deaf_{STUDY}", "psma_5907433e52a030d1_2016-05-29"
    nnunet(tmp_path, fdg, psma)
    cases = {tracer: [scan[0] for scan in found(tmp_path, "autopet", tracer)] for tracer in ("fdg", "psma", "all")}
    assert cases == {"fdg": [fdg], "psma": [psma], "all": [fdg, psma]}
    assert find_scans(tmp_path, "autopet").other_tracer == 1
    (tmp_path / f"labelsTr/{fdg}.nii.gz").unlink()
    with pytest.raises(TrainingDataError, match="no labeled scan with FDG, only 1 with another tracer"):
        find_scans(tmp_path, "autopet")


@pytest.mark.parametrize(
    ("image", "mask", "case"),
    [
        ("hecktor_nii/CHGJ007/CHGJ007_pt.nii.gz", "hecktor_nii/CHGJ007/CHGJ007_ct_gtvt.nii.gz", "CHGJ007"),  # 2020
        ("hecktor_nii/CHGJ007_pt.nii.gz", "hecktor_nii/CHGJ007_gtvt.nii.gz", "CHGJ007"),  # 2021
        ("imagesTr/CHUM-001__PT.nii.gz", "labelsTr/CHUM-001.nii.gz", "CHUM-001"),  # 2022
        ("Task 1/CHUM-001/CHUM-001__PT.nii.gz", "Task 1/CHUM-001/CHUM-001.nii.gz", "CHUM-001"),  # 2025
    ],
)
def test_hecktor_is_found_in_the_form_of_each_year(tmp_path, image, mask, case):
    tree(tmp_path, image, mask, image.replace("PT", "CT").replace("_pt", "_ct"))
    assert found(tmp_path, "hecktor") == [(case, case, image, mask)]


def test_images_without_a_mask_are_counted_and_not_taken_as_healthy(tmp_path):
    tree(tmp_path, "Task 1/A-1/A-1__PT.nii.gz", "Task 1/A-1/A-1.nii.gz", "Task 2/A-1/A-1__PT.nii.gz")
    release = find_scans(tmp_path, "hecktor")
    assert ([scan.case for scan in release.scans], release.unlabeled) == (["A-1"], 1)
    (tmp_path / "Task 1/A-1/A-1.nii.gz").unlink()
    with pytest.raises(TrainingDataError, match="2 PET images have no mask"):
        find_scans(tmp_path, "hecktor")


def test_hidden_files_are_no_scans(tmp_path):
    nnunet(tmp_path, f"fdg_0011f3deaf_{STUDY}")
    tree(tmp_path, "imagesTr/._fdg_1_2_0001.nii.gz", ".Trash/A__PT.nii.gz", ".Trash/A.nii.gz")
    assert len(find_scans(tmp_path, "autopet").scans) == 1
    with pytest.raises(TrainingDataError, match="no labeled scan of the layout hecktor"):
        find_scans(tmp_path, "hecktor")


@pytest.mark.parametrize("layout", ["autopet", "hecktor"])
def test_an_empty_or_missing_folder_is_refused_with_the_names_to_expect(tmp_path, layout):
    with pytest.raises(TrainingDataError, match=r"Its files are named .*nii\.gz"):
        find_scans(tmp_path, layout)
    with pytest.raises(TrainingDataError, match="There is no folder"):
        find_scans(tmp_path / "missing", layout)


def test_a_scan_of_an_unknown_tracer_is_refused(tmp_path):
    nnunet(tmp_path, "case_1")
    with pytest.raises(TrainingDataError, match=r"case_1_0001\.nii\.gz is not named fdg_ID_STUDY or psma_ID_STUDY"):
        find_scans(tmp_path, "autopet")


def test_two_scans_of_one_name_are_refused(tmp_path):
    tree(tmp_path, *(f"{place}/A_{kind}.nii.gz" for place in ("hecktor_nii", "resampled") for kind in ("pt", "gtvt")))
    with pytest.raises(TrainingDataError, match=r"name A: hecktor_nii/A_pt\.nii\.gz and resampled/A_pt\.nii\.gz"):
        find_scans(tmp_path, "hecktor")


def test_the_printed_pattern_finds_the_patient_of_every_case(tmp_path):
    studies(tmp_path / "a", FDG_1, FDG_2, FDG_3)
    tree(tmp_path / "h", "imagesTr/CHUM-001__PT.nii.gz", "labelsTr/CHUM-001.nii.gz")
    for layout, folder in (("autopet", "a"), ("hecktor", "h")):
        for scan in find_scans(tmp_path / folder, layout).scans:
            match = re.match(PATIENT_PATTERNS[layout], scan.case)
            assert match is not None and match[1] == scan.patient


# Diagnoses


def metadata(folder: Path, text: str) -> Path:
    (folder / "fdg_metadata.csv").write_text(text, encoding="utf-8")
    return folder


TABLE = (
    "Subject ID,diagnosis,File Location\n"
    f"PETCT_0011f3deaf,LUNG_CANCER,./{FDG_1}/12-PET\n"
    f"PETCT_0011f3deaf,NEGATIVE,./{FDG_2}/12-PET\n"
    f"PETCT_ae8c77a995,LYMPHOMA,.\\{FDG_3.replace('/', chr(92))}\\12-PET\n"
)


def test_scans_are_chosen_by_the_diagnosis_of_their_study(tmp_path):
    scans = find_scans(studies(metadata(tmp_path, TABLE), FDG_1, FDG_2, FDG_3), "autopet").scans
    chosen = {
        name: [scan.case for scan in with_diagnosis(scans, tmp_path, name)] for name in ("lung_cancer", "LYMPHOMA")
    }
    assert chosen == {"lung_cancer": [scans[0].case], "LYMPHOMA": [scans[2].case]}
    with pytest.raises(TrainingDataError, match=r"diagnosis COLD; .* has LUNG_CANCER, LYMPHOMA, NEGATIVE"):
        with_diagnosis(scans, tmp_path, "COLD")


def test_a_missing_or_foreign_table_of_diagnoses_is_refused(tmp_path):
    scans = find_scans(studies(tmp_path, FDG_1), "autopet").scans
    with pytest.raises(TrainingDataError, match=r"has 0 tables fdg_metadata\.csv"):
        with_diagnosis(scans, tmp_path, "LUNG_CANCER")
    metadata(tmp_path, "Subject ID,sex\nPETCT_0011f3deaf,M\n")
    with pytest.raises(TrainingDataError, match="lacks the columns"):
        with_diagnosis(scans, tmp_path, "LUNG_CANCER")
