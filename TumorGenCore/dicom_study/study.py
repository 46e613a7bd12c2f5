"""Writes a DICOM study of a synthetic patient, all of it or nothing.

The study has a patient, UIDs and dates of its own, so that no archive files the tumor with a real person. Only a white
list of tags comes along from the scan: those for image, geometry, SUV and viewers (``kept_tags``).
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import SimpleITK as sitk

from TumorGenCore.dicom_study.ct_series import CtSeries
from TumorGenCore.dicom_study.identity import Identity
from TumorGenCore.dicom_study.pet_series import PetSeries, source_slices
from TumorGenCore.dicom_study.rtstruct import structure_set
from TumorGenCore.dicom_study.segmentation import study_segmentation
from TumorGenCore.errors import InvalidRequestError, UnsupportedVolumeError
from TumorGenCore.volumes.dicom_seg import check_mask, check_on_slices, require_highdicom
from TumorGenCore.volumes.provenance_file import write_provenance
from TumorGenCore.volumes.safe_write import all_or_none, check_folder, make_folder, write_pieces

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = ["StudySource", "check_study_folder", "write_dicom_study"]


@dataclass(frozen=True)
class StudySource:
    """DICOM that a study begins from.

    Args:
        series: sorted headers of the PET series; empty if the scan is no DICOM series.
        ct: CT of the same examination, or None.
    """

    series: Sequence[Dataset] = ()
    ct: CtSeries | None = None

    @classmethod
    def of(
        cls, scan: str | os.PathLike[str] | Sequence[Path] | None, ct: str | os.PathLike[str] | None = None
    ) -> StudySource:
        """Reads the headers of a scan.

        Args:
            scan: folder of the DICOM PET series, or its files. A single file, such as NIfTI, is not read.
            ct: folder of the CT series of the same examination.

        Raises:
            UnsupportedVolumeError: PET or CT cannot be used.
            InvalidRequestError: the CT does not belong to the PET, or the scan is no DICOM series.
        """
        series = Path(scan) if isinstance(scan, str | os.PathLike) else scan
        is_dicom = series.is_dir() if isinstance(series, Path) else series is not None
        slices = source_slices(series) if series is not None and is_dicom else []
        if ct is None:
            return cls(slices)
        if not slices:
            raise InvalidRequestError(
                "A CT can come along only with a DICOM PET series. Give no CT, or the PET as DICOM."
            )
        frames = {str(header.get("FrameOfReferenceUID") or "") for header in slices}
        return cls(slices, CtSeries.in_folder(Path(ct), frames.pop() if len(frames) == 1 else ""))


def check_study_folder(folder: Path, inputs: Sequence[Path] = ()) -> None:
    """Checks, before any work, that a study can be written to a folder.

    Args:
        folder: must not exist, or be empty.
        inputs: files and folders that the command reads.

    Raises:
        UnsupportedVolumeError: highdicom is not installed.
        InvalidRequestError: the folder has files, or lies in an input.
        OSError: the folder cannot be made, or its disk cannot be written to.
    """
    require_highdicom(folder)
    if folder.is_dir() and any(folder.iterdir()):
        raise InvalidRequestError(f"{folder} is not empty. Give a new folder for the DICOM study.")
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is a file. Give a new folder for the DICOM study.")
    place = folder.resolve()
    for read in inputs:
        if read.is_dir() and read.resolve() in (place, *place.parents):
            raise InvalidRequestError(f"{folder} lies in {read}, which is an input. Give another folder.")
    above = next(up for up in (place, *place.parents) if up.exists())
    check_folder(above / folder.name)


def write_dicom_study(
    folder: str | os.PathLike[str],
    image: sitk.Image,
    masks: sitk.Image | Sequence[sitk.Image],
    provenance: Mapping[str, Any],
    source: StudySource | str | os.PathLike[str] | Sequence[Path] | None = None,
    ct: str | os.PathLike[str] | None = None,
) -> list[Path]:
    """Writes PET series, segmentation and structure set as one new study, with the provenance beside the folder.

    The PET values are those of the image, off by half a step of their slice at most (16 bits); slices without change
    keep the stored values of the scan.

    Args:
        folder: must not exist, or be empty.
        image: whole result, in the units of the scan.
        masks: uint8, 0 or 1, on the grid of the image; one tumor each.
        provenance: record of the result.
        source: folder of the DICOM PET series that the result was made from, its files, or ``StudySource``. None, or a
            file of another kind, writes SUV with a header that leaves open what nobody knows.
        ct: folder of the CT series of the same examination, which comes along unchanged.

    Returns:
        The files of the study.

    Raises:
        UnsupportedVolumeError: highdicom is missing; a mask is empty or not on the grid; the source cannot be used, or
            the image is not on its grid.
        InvalidRequestError: the folder has files, or the CT does not belong to the PET.
        OSError: a file cannot be written.
    """
    folder = Path(folder)
    check_study_folder(folder)
    masks = [masks] if isinstance(masks, sitk.Image) else list(masks)
    if not isinstance(source, StudySource):
        source = StudySource.of(source, ct)
    identity = Identity()
    pet = PetSeries.of(image, provenance, identity, source.series)
    if not masks:
        raise UnsupportedVolumeError("There is no tumor to write as DICOM. Try another seed or box.")
    for mask in masks:
        check_mask(mask)
        check_on_slices(mask, pet.headers, "mask")
    with all_or_none():
        make_folder(folder)
        write_provenance(provenance, folder)
        return [_write(folder / name, made) for name, made in _objects(pet, masks, identity, provenance, source.ct)]


def _objects(
    pet: PetSeries,
    masks: Sequence[sitk.Image],
    identity: Identity,
    provenance: Mapping[str, Any],
    ct: CtSeries | None,
) -> Iterator[tuple[str, Dataset]]:
    """Yields the name of each file and its object; a series has a folder of its own, as many programs expect."""
    yield "rtstruct.dcm", structure_set(masks, pet.headers, identity, provenance)
    yield "seg.dcm", study_segmentation(masks, pet.headers, identity, provenance)
    for k, made in enumerate(ct.slices(identity) if ct else (), start=1):
        yield f"ct/{k:04}.dcm", made
    for k, made in enumerate(pet.slices(), start=1):
        yield f"pet/{k:04}.dcm", made


def _write(path: Path, made: Dataset) -> Path:
    content = io.BytesIO()
    made.save_as(content, enforce_file_format=True)
    make_folder(path.parent)
    write_pieces(path, [content.getvalue()])
    return path
