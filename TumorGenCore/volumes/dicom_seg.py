"""Writes a tumor mask as a DICOM Segmentation object that refers to the slices of the source PET series.

Patient and study: a synthetic tumor must not become a finding of the real person. A PACS sorts objects by Patient ID
and Study Instance UID. With the person's ID, the object would enter the person's record. DICOM does not allow another
ID in the *same* study, and archives handle that in different ways: some quarantine the object, some replace its ID by
the ID of the study they have, and some list the real study under the ID that came last. Therefore the object belongs
to a synthetic patient and to a study of its own. The UID of this study is derived from the UID of the source study, so
that all masks of a scan are in one study.

The object keeps what viewers need for an overlay: the Frame of Reference UID, the position of each frame, and
references to the series and slices of the source. The references are in ReferencedSeriesSequence, although PS3.3
C.12.2 has another place for those of another study: OHIF shows no segmentation without this sequence, and highdicom
reads none that has both. 3D Slicer shows both together; in viewers that open one study at a time, the user must open
both studies. Nothing else is copied from the headers of the source, so the object holds
no name, date or place. (Its UIDs lead back to the scan for people who have the scan.)
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import SimpleITK as sitk

from TumorGenCore.errors import UnsupportedVolumeError
from TumorGenCore.version import software_version
from TumorGenCore.volumes.dicom_series import pet_series
from TumorGenCore.volumes.provenance_file import write_provenance
from TumorGenCore.volumes.safe_write import all_or_none, check_folder, replacing

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = [
    "DICOM_SEG_SUFFIX",
    "SERIES_DESCRIPTION",
    "check_dicom_seg",
    "check_mask",
    "check_on_slices",
    "require_highdicom",
    "segmentation",
    "write_dicom_seg",
]

DICOM_SEG_SUFFIX = ".dcm"
SERIES_DESCRIPTION = "SYNTHETIC tumor, not for diagnosis"

#: The only tags that are read from the source, beside those for the grid: they identify the slice.
_SOURCE_TAGS = ("SOPInstanceUID", "StudyInstanceUID", "FrameOfReferenceUID")
#: Greatest distance between a slice of the mask and its source slice, as a share of the shortest voxel edge.
#: ``dicom_series`` explains why slices can be uneven.
_PLACE_TOLERANCE = 0.5


def check_dicom_seg(path: str | os.PathLike[str], source: str | os.PathLike[str]) -> None:
    """Checks, before any long work, that a DICOM Segmentation can be written to ``path`` for a source.

    Args:
        path: where the object will be written.
        source: folder of the PET series that the object will refer to.

    Raises:
        UnsupportedVolumeError: highdicom is not installed, or the source is not a folder with a DICOM PET series.
        OSError: the folder of ``path`` does not exist or cannot be written to, or ``path`` is a folder.
    """
    _slices_for(Path(path), Path(source))
    check_folder(Path(path))


def _slices_for(path: Path, source: Path) -> list[Dataset]:
    """Returns the slices for the object, and checks all but the folder of ``path``, which ``replacing`` tries."""
    require_highdicom(path)
    if not source.is_dir():
        raise UnsupportedVolumeError(
            f"{path.name} would be a DICOM SEG, which needs a DICOM series, but {source.name} is not a folder. "
            "Give the folder of the series, or write the mask as .seg.nrrd or .nii.gz."
        )
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder. Give the name of a file to write.")
    return _source_slices(source)


def require_highdicom(path: Path) -> None:
    """Raises ``UnsupportedVolumeError`` if highdicom is missing, without which ``path`` cannot be written."""
    if importlib.util.find_spec("highdicom") is None:
        raise UnsupportedVolumeError(
            f"To write {path.name} as DICOM SEG, install highdicom: pip install 'tumorgen[dicom]'."
        )


def write_dicom_seg(
    mask: sitk.Image,
    source_series_folder: str | os.PathLike[str],
    path: str | os.PathLike[str],
    provenance: Mapping[str, Any],
) -> None:
    """Writes a mask as a BINARY DICOM Segmentation and its provenance as a JSON file beside it.

    The object is written completely or not at all. Only slices with tumor get a frame, at the position of the source
    slice. In scans of several bed positions, the distances of the slices can differ by some percent. The docstring of
    the module explains the patient and the study of the object.

    Args:
        mask: 3D uint8, 1 in the tumor, on the grid of ``read_volume(source_series_folder)``.
        source_series_folder: folder with one DICOM PET series; other DICOM objects in it are skipped.
        path: .dcm; an existing file is replaced.
        provenance: from ``make_provenance``; the object also holds its seeds, steps and bundle.

    Raises:
        UnsupportedVolumeError: the mask is empty, has values other than 0 and 1, or is not on the grid of the
            series; the series cannot be used; or highdicom is not installed.
        OSError: the file cannot be written.
    """
    path = Path(path)
    slices = _slices_for(path, Path(source_series_folder))
    check_mask(mask)
    check_on_slices(mask, slices, "mask")
    study = _synthetic_study(slices)
    for header in slices:
        _make_synthetic(header, study)
    dataset = segmentation([mask], ["Tumor"], slices, provenance)
    with all_or_none(), replacing(path) as temporary:
        write_provenance(provenance, path)
        dataset.save_as(temporary, enforce_file_format=True)


def _source_slices(folder: Path) -> list[Dataset]:
    """Headers of the series with ``_SOURCE_TAGS`` only, sorted along the normal of the slices."""
    slices = pet_series(folder, _SOURCE_TAGS)[1]
    for keyword in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "FrameOfReferenceUID"):
        if any(not header.get(keyword) for header in slices):
            raise UnsupportedVolumeError(
                f"A slice of the PET series has no {keyword}, which a DICOM SEG needs. Export the series again, "
                "or write the mask as .seg.nrrd or .nii.gz."
            )
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID"):
        values = {str(header.get(keyword)) for header in slices}
        if len(values) > 1:
            raise UnsupportedVolumeError(
                f"The slices of the PET series have {len(values)} values of {keyword}, but a DICOM SEG can refer to "
                "one only. Write the mask as .seg.nrrd or .nii.gz."
            )
    return slices


def check_mask(mask: sitk.Image) -> None:
    """Checks that a mask can become a segment.

    Raises:
        UnsupportedVolumeError: the mask is empty, or has values other than 0 and 1.
    """
    values = sitk.GetArrayViewFromImage(mask)
    if mask.GetPixelID() != sitk.sitkUInt8 or int(values.max()) > 1:
        raise UnsupportedVolumeError(
            f"The mask has pixel type {mask.GetPixelIDTypeAsString()} and values up to {values.max()}, but must be "
            "uint8 with only 0 and 1."
        )
    if not values.any():
        raise UnsupportedVolumeError("The mask is empty, but a DICOM SEG needs a tumor. Try another seed or box.")


def check_on_slices(image: sitk.Image, slices: Sequence[Dataset], name: str = "image") -> None:
    """Checks that an image or mask is on the grid of the sorted slices of a series.

    Args:
        image: 3D image.
        slices: headers with the tags of the grid.
        name: what the message calls the image.

    Raises:
        UnsupportedVolumeError: it has another size, or lies elsewhere.
    """
    first = slices[0]
    size = (int(first.Columns), int(first.Rows), len(slices))
    if image.GetSize() != size:
        raise UnsupportedVolumeError(
            f"The {name} has {image.GetSize()} voxels, but the PET series has {size}. Give the {name} of this series."
        )
    finest = min(image.GetSpacing())
    for k, header in enumerate(slices):
        row, column = np.array(header.ImageOrientationPatient, dtype=float).reshape(2, 3)
        down, across = (float(edge) for edge in header.PixelSpacing)
        start = np.array(header.ImagePositionPatient, dtype=float)
        end = start + row * across * (size[0] - 1) + column * down * (size[1] - 1)
        for index, there in (((0, 0, k), start), ((size[0] - 1, size[1] - 1, k), end)):
            off = float(np.linalg.norm(np.subtract(image.TransformIndexToPhysicalPoint(index), there)))
            if off > _PLACE_TOLERANCE * finest:
                raise UnsupportedVolumeError(
                    f"Slice {k} of the {name} lies {off:.1f} mm from the same slice of the PET series. Give the "
                    f"{name} of this series."
                )


def segmentation(
    masks: Sequence[sitk.Image], labels: Sequence[str], slices: Sequence[Dataset], provenance: Mapping[str, Any]
) -> Dataset:
    """Returns a BINARY DICOM Segmentation of the slices, with patient and study as their headers have them.

    Args:
        masks: masks on the grid of the slices, checked before; one segment each.
        labels: label of each segment.
        slices: sorted headers; their thickness becomes the distance of the slices.
        provenance: record of the result; the object holds its seeds, steps and bundle.
    """
    # Here, because the import takes a second and works only with the extra "dicom".
    from highdicom import AlgorithmIdentificationSequence
    from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
    from highdicom.sr import CodedConcept
    from pydicom.sr.codedict import codes
    from pydicom.uid import generate_uid

    for header in slices:
        # SliceThickness can be missing or wrong; a voxel of the mask is as thick as the distance of the slices.
        header.SliceThickness = header.SpacingBetweenSlices = f"{masks[0].GetSpacing()[2]:.6g}"
    version = software_version()
    algorithm = AlgorithmIdentificationSequence(
        name="TumorGen",
        family=codes.DCM.ArtificialIntelligence,
        version=version,
        parameters={
            "seed": ", ".join(str(tumor["seed"]) for tumor in provenance["tumors"]),
            "steps": str(provenance["request"]["steps"]),
            **{key: str(provenance[key]) for key in ("bundle_name", "bundle_version")},
        },
    )
    segments = [
        # The same codes as in write.MASS_TERMINOLOGY.
        SegmentDescription(
            segment_number=number,
            segment_label=label,
            segmented_property_category=CodedConcept("49755003", "SCT", "Morphologically Altered Structure"),
            segmented_property_type=CodedConcept("4147007", "SCT", "Mass"),
            algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=generate_uid(),
            tracking_id="Synthetic tumor" if len(masks) == 1 else f"Synthetic tumor {number}",
        )
        for number, label in enumerate(labels, start=1)
    ]
    dataset = Segmentation(
        source_images=slices,
        pixel_array=np.stack([sitk.GetArrayViewFromImage(mask) for mask in masks], axis=-1),
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=segments,
        series_instance_uid=generate_uid(),
        series_number=1,
        sop_instance_uid=generate_uid(),
        instance_number=1,
        manufacturer="TumorGen",
        manufacturer_model_name=str(provenance["bundle_name"]),
        software_versions=version,
        device_serial_number=str(provenance["bundle_hash"])[:16],
        content_label="SYNTHETIC",
        content_description=SERIES_DESCRIPTION,
        series_description=SERIES_DESCRIPTION,
    )
    dataset.SyntheticData = "YES"
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = "Synthetic patient in place of the source's"
    return dataset


def _synthetic_study(slices: Sequence[Dataset]) -> str:
    """Returns the UID of the study for all masks of a scan, derived from that of the scan."""
    from pydicom.uid import generate_uid

    return generate_uid(entropy_srcs=["TumorGen synthetic", slices[0].StudyInstanceUID])


def _make_synthetic(header: Dataset, study: str) -> None:
    """Replaces patient and study in a header, because highdicom copies them from the slices.

    The values depend on the UID of the study only, so that all masks of a scan get the same ones.
    """
    header.StudyInstanceUID = study
    header.PatientName = "SYNTHETIC^NOT FOR DIAGNOSIS"
    header.PatientID = f"SYNTHETIC-{hashlib.sha256(study.encode()).hexdigest()[:12]}"
    header.StudyDescription = SERIES_DESCRIPTION
    for keyword in (
        "PatientBirthDate",
        "PatientSex",
        "AccessionNumber",
        "StudyID",
        "StudyDate",
        "StudyTime",
        "ReferringPhysicianName",
    ):
        setattr(header, keyword, "")
