"""Files in and out: PET volumes (NIfTI, NRRD, MHA, DICOM series), tumor masks, and Slicer's ROI boxes.

Everything is checked at the door, so that the rest of the core never checks a volume again. Metadata keys of the
input are dropped on the way in and on the way out: they can hold a person's name and are not needed for the voxels.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import InvalidBoxError, UnsupportedVolumeError
from TumorGenCore.volumes.geometry import Box, Grid, Matrix, Vector
from TumorGenCore.volumes.integrity import check_file
from TumorGenCore.volumes.safe_write import check_folder, replacing
from TumorGenCore.volumes.suv import SUV_TAGS, PetUnits, units_from_dicom, units_of_image, warn_if_implausible
from TumorGenCore.volumes.voxels import read_slabs

if TYPE_CHECKING:
    from pydicom import Dataset

__all__ = [
    "MASS_COLOR",
    "MASS_TERMINOLOGY",
    "READABLE_SUFFIXES",
    "WRITABLE_SUFFIXES",
    "PetVolume",
    "check_volume",
    "check_writable",
    "parse_box",
    "pet_series",
    "provenance_path",
    "read_box",
    "read_mask",
    "read_volume",
    "write_box",
    "write_provenance",
    "write_segmentation",
    "write_volume",
]

READABLE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".nhdr", ".mha", ".mhd")
WRITABLE_SUFFIXES = (".nii.gz", ".nii", ".nrrd", ".mha")

_SEGMENTATION_SUFFIX = ".seg.nrrd"

_FLOATING_TYPES = {sitk.sitkFloat32, sitk.sitkFloat64}
_PIXEL_TYPES = _FLOATING_TYPES | {
    sitk.sitkUInt8,
    sitk.sitkInt8,
    sitk.sitkUInt16,
    sitk.sitkInt16,
    sitk.sitkUInt32,
    sitk.sitkInt32,
    sitk.sitkUInt64,
    sitk.sitkInt64,
}

_PET_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.128"
_ENHANCED_PET_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.130"
_SERIES_TAGS: list[Any] = [
    "SOPClassUID",
    "Modality",
    "SeriesInstanceUID",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "Rows",
    "Columns",
    *SUV_TAGS,
]

#: Share of the slice distance by which single distances may differ: table positions are rounded, and where bed
#: positions were joined real series differ by 2.5 %; a missing slice differs by 100 %.
_SLICE_TOLERANCE = 0.1

# Both lists of terms that Slicer brings know this pair, and so give it a color.
MASS_TERMINOLOGY = (
    "Segmentation category and type - 3D Slicer General Anatomy list"
    "~SCT^49755003^Morphologically Altered Structure~SCT^4147007^Mass~^^"
    "~Anatomic codes - DICOM master list~^^~^^"
)
MASS_COLOR = "0.565 0.933 0.565"

_MARKUPS_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/Resources/Schema/"
    "markups-schema-v1.0.3.json#"
)
_ROI_HINT = "Place one ROI box in Slicer's Markups module and save it as .mrk.json."


@dataclass(frozen=True)
class PetVolume:
    """A checked PET volume: 3D, scalar, finite, in its native pixel type and units.

    It is checked when it is made and by nobody after that; its image is not to be changed.

    Raises:
        UnsupportedVolumeError: see ``check_volume``.
    """

    image: sitk.Image
    units: PetUnits

    def __post_init__(self) -> None:
        check_volume(self.image)


def check_volume(image: sitk.Image) -> Grid:
    """Check that an image is a volume TumorGen can use, and return its grid.

    Raises:
        UnsupportedVolumeError: not 3D, vector or complex pixels, broken geometry, NaN or Inf.
    """
    if image.GetPixelID() not in _PIXEL_TYPES:
        raise UnsupportedVolumeError(
            f"The pixel type is {image.GetPixelIDTypeAsString()} with {image.GetNumberOfComponentsPerPixel()} "
            "components; TumorGen needs one real number per voxel. Extract one component first."
        )
    grid = Grid.from_image(image)
    if image.GetPixelID() in _FLOATING_TYPES:
        _require_finite(image)
    return grid


def _require_finite(image: sitk.Image) -> None:
    wrong = 0
    first_ijk = None
    for first, slab in read_slabs(image):
        finite = np.isfinite(slab)
        if finite.all():
            continue
        wrong += finite.size - int(np.count_nonzero(finite))
        if first_ijk is None:
            k, j, i = np.unravel_index(int(np.argmin(finite)), finite.shape)
            first_ijk = (int(i), int(j), first + int(k))
    if wrong:
        raise UnsupportedVolumeError(
            f"{wrong} voxels are NaN or Inf, the first at ijk {first_ijk}; replace them by numbers first."
        )


def read_volume(path: str | os.PathLike[str], suv_factor: float | None = None) -> PetVolume:
    """Read a PET volume from a file, or from the folder of a DICOM PET series.

    Args:
        path: .nii, .nii.gz, .nrrd, .nhdr, .mha or .mhd file, or a folder with one PET series. A 4D file with a
            single frame is read as that frame.
        suv_factor: SUV per unit of voxel value. None: from the DICOM tags, or the values are taken as SUV.

    Warns:
        UnknownUnitsWarning: the units had to be guessed, or the values do not look like SUV.

    Raises:
        UnsupportedVolumeError: missing, damaged or unusable; the message says which and what to do.
    """
    path = Path(path)
    if path.is_dir():
        return _read_dicom_series(path, suv_factor)
    image = _read_file(path)
    return PetVolume(image, units_of_image(image, suv_factor))


def read_mask(path: str | os.PathLike[str], grid: Grid) -> NDArray[np.bool_]:
    """Which voxels of ``grid`` a mask file marks (any label above 0), (k, j, i); of another grid the nearest voxel.

    Args:
        path: a file as in ``read_volume``, or Slicer's .seg.nrrd with one layer.
        grid: of the image that the mask belongs to.

    Raises:
        UnsupportedVolumeError: missing, damaged or unusable; the message says which and what to do.
    """
    mask = _read_file(Path(path))
    on_grid = sitk.Resample(mask, grid.empty_image(sitk.sitkUInt8), sitk.Transform(), sitk.sitkNearestNeighbor)
    return sitk.GetArrayViewFromImage(on_grid) > 0


def _read_file(path: Path) -> sitk.Image:
    """The checked image of a file, without its metadata."""
    if not path.is_file():
        raise UnsupportedVolumeError(f"There is no file or folder {path}; check the path.")
    if _suffix(path, READABLE_SUFFIXES) is None:
        raise UnsupportedVolumeError(
            f"{path.name} is not one of {', '.join(READABLE_SUFFIXES)}; for DICOM give the folder of the series."
        )
    check_file(path)
    try:
        image = sitk.ReadImage(str(path))
    except RuntimeError as error:
        raise UnsupportedVolumeError(
            f"{path.name} cannot be read: {_reason(error)} Correct its header, or export it again."
        ) from error
    image = _drop_single_frames(image)
    check_volume(image)
    return _drop_metadata(image)


def check_writable(path: str | os.PathLike[str]) -> None:
    """Check, before any long work, that a volume or segmentation can be written to ``path``.

    Raises:
        UnsupportedVolumeError: the suffix is not one of ``WRITABLE_SUFFIXES``.
        OSError: the folder does not exist or may not be written to, or the path is a folder.
    """
    path = Path(path)
    if _suffix(path, WRITABLE_SUFFIXES) is None:
        raise UnsupportedVolumeError(f"{path.name} must end in one of {', '.join(WRITABLE_SUFFIXES)}.")
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; give the name of a file to write.")
    check_folder(path)


def write_volume(image: sitk.Image, path: str | os.PathLike[str], provenance: Mapping[str, Any] | None = None) -> None:
    """Write an image whole or not at all, with its provenance in a JSON file beside it.

    NRRD carries the provenance as header keys too (``TumorGen_seed`` and so on). NIfTI keeps geometry in 32 bits,
    the others in 64. Other metadata keys of the image are not written.

    Args:
        image: 3D scalar image; voxels are kept bit for bit.
        path: .nrrd, .mha, .nii or .nii.gz; an existing file is replaced.
        provenance: from ``make_provenance``; None writes none.

    Raises:
        UnsupportedVolumeError: the suffix is not one of these.
        OSError: the file cannot be written.
    """
    path = Path(path)
    check_writable(path)
    _write(image, path, _provenance_keys(provenance) if path.suffix.lower() == ".nrrd" else {}, provenance)


def write_segmentation(
    mask: sitk.Image,
    path: str | os.PathLike[str],
    name: str = "Tumor",
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write a tumor mask: as Slicer's segmentation for ``.seg.nrrd``, as an ordinary volume otherwise.

    Args:
        mask: 3D uint8 image, 1 in the tumor.
        path: .seg.nrrd, or any suffix of ``write_volume``.
        name: the segment's name in Slicer.
        provenance: as in ``write_volume``.

    Raises:
        UnsupportedVolumeError: the mask is not uint8 with values 0 and 1, or the suffix is not known.
        OSError: the file cannot be written.
    """
    path = Path(path)
    if mask.GetPixelID() != sitk.sitkUInt8:
        raise UnsupportedVolumeError(f"The mask has pixel type {mask.GetPixelIDTypeAsString()}; it must be uint8.")
    if (highest := int(sitk.GetArrayViewFromImage(mask).max())) > 1:
        raise UnsupportedVolumeError(f"The mask has the value {highest}; it must hold 0 and 1 only.")
    if not path.name.lower().endswith(_SEGMENTATION_SUFFIX):
        write_volume(mask, path, provenance)
        return
    i, j, k = mask.GetSize()
    keys = {
        "Segment0_ID": "Segment_1",
        "Segment0_Name": name,
        "Segment0_NameAutoGenerated": "0",
        "Segment0_Color": MASS_COLOR,
        "Segment0_ColorAutoGenerated": "0",
        "Segment0_Extent": f"0 {i - 1} 0 {j - 1} 0 {k - 1}",
        "Segment0_LabelValue": "1",
        "Segment0_Layer": "0",
        "Segment0_Tags": f"TerminologyEntry:{MASS_TERMINOLOGY}|",
        "Segmentation_ContainedRepresentationNames": "Binary labelmap|",
        "Segmentation_MasterRepresentation": "Binary labelmap",
        "Segmentation_ReferenceImageExtentOffset": "0 0 0",
    }
    _write(mask, path, keys | _provenance_keys(provenance), provenance)


def provenance_path(path: str | os.PathLike[str]) -> Path:
    """The JSON beside an output: ``case.provenance.json`` for ``case.nrrd``, ``case.nii.gz`` or ``case.seg.nrrd``."""
    path = Path(path)
    suffix = _suffix(path, (_SEGMENTATION_SUFFIX, *WRITABLE_SUFFIXES)) or path.suffix
    return path.with_name(path.name[: len(path.name) - len(suffix)] + ".provenance.json")


def write_provenance(provenance: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write the provenance of the output ``path`` to ``provenance_path(path)``, whole or not at all; returns that.

    Raises:
        OSError: the file cannot be written.
    """
    target = provenance_path(path)
    with replacing(target) as temporary:
        temporary.write_text(json.dumps(dict(provenance), indent=2, allow_nan=False) + "\n", encoding="utf-8")
    return target


def parse_box(text: str, frame: Literal["ras", "lps"] = "ras") -> Box:
    """A box from ``CX,CY,CZ,SX,SY,SZ``: center and full edge lengths along the frame's axes, mm.

    Raises:
        InvalidBoxError: not six numbers, an unknown frame, or an edge that is not positive.
    """
    try:
        numbers = [float(part) for part in text.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) != 6:
        raise InvalidBoxError(f"The box '{text}' must be six numbers in mm: CX,CY,CZ,SX,SY,SZ.")
    axes: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    return _box_in_frame(frame, _triple(numbers[:3]), _triple(numbers[3:]), axes)


def read_box(path: str | os.PathLike[str]) -> Box:
    """The box of the one ROI in a Slicer markups file (.mrk.json), in either coordinate system.

    The file has the ROI's own coordinates: a transform that Slicer applied to it and did not harden is not in it.

    Raises:
        InvalidBoxError: not a markups file, not exactly one ROI of a known kind, or values missing or unusable.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidBoxError(f"The ROI file {path} cannot be opened ({error.strerror}); check the path.") from error
    except ValueError as error:
        raise InvalidBoxError(f"{path.name} is not a markups file ({error}). {_ROI_HINT}") from error
    markups = content.get("markups") if isinstance(content, dict) else None
    if not isinstance(markups, list) or not all(isinstance(markup, dict) for markup in markups):
        raise InvalidBoxError(f"{path.name} has no list of markups. {_ROI_HINT}")
    if len(markups) != 1:
        raise InvalidBoxError(f"{path.name} has {len(markups)} markups; exactly one ROI is needed. {_ROI_HINT}")
    roi = markups[0]
    if roi.get("type") != "ROI":
        raise InvalidBoxError(f"{path.name} has a markup of type {roi.get('type')}, not an ROI. {_ROI_HINT}")
    if roi.get("roiType", "Box") not in ("Box", "BoundingBox"):
        raise InvalidBoxError(f"The ROI in {path.name} has the type {roi['roiType']}, not Box. {_ROI_HINT}")
    if roi.get("insideOut", False):
        raise InvalidBoxError(f"The ROI in {path.name} is inside out; turn 'Inside out' off and save it again.")
    if "mm" not in roi.get("coordinateUnits", "mm"):
        raise InvalidBoxError(f"The ROI in {path.name} is in {roi['coordinateUnits']}; save it in mm.")
    # Slicer writes the node's axes as the columns of a row-major matrix in the file's own coordinate system.
    matrix = _numbers(roi, "orientation", 9, path)
    return _box_in_frame(
        str(roi.get("coordinateSystem", "LPS")).lower(),
        _triple(_numbers(roi, "center", 3, path)),
        _triple(_numbers(roi, "size", 3, path)),
        (_triple(matrix[:3]), _triple(matrix[3:6]), _triple(matrix[6:])),
    )


def write_box(box: Box, path: str | os.PathLike[str], name: str = "Tumor box") -> None:
    """Write a box as an ROI that Slicer opens (.mrk.json, LPS), whole or not at all.

    Raises:
        OSError: the file cannot be written.
    """
    center = list(box.center_lps)
    roi = {
        "type": "ROI",
        "name": name,
        "coordinateSystem": "LPS",
        "coordinateUnits": "mm",
        "roiType": "Box",
        "center": center,
        "orientation": np.ravel(box.axes).tolist(),
        "size": list(box.size_mm),
        "insideOut": False,
        "controlPoints": [{"id": "1", "label": f"{name}-1", "position": center, "positionStatus": "defined"}],
    }
    with replacing(Path(path)) as temporary:
        temporary.write_text(json.dumps({"@schema": _MARKUPS_SCHEMA, "markups": [roi]}, indent=4), encoding="utf-8")


# Boxes


def _box_in_frame(frame: str, center: Vector, size: Vector, axes: Matrix) -> Box:
    if frame == "ras":
        return Box.from_ras(center, size, axes)
    if frame == "lps":
        return Box(center, size, axes)
    raise InvalidBoxError(f"The coordinate system '{frame}' of the box must be LPS or RAS.")


def _triple(values: Sequence[float]) -> Vector:
    a, b, c = values
    return (a, b, c)


def _numbers(roi: Mapping[str, Any], key: str, count: int, path: Path) -> list[float]:
    values = roi.get(key)
    if (
        not isinstance(values, list)
        or len(values) != count
        or not all(isinstance(v, int | float) and not isinstance(v, bool) for v in values)
    ):
        raise InvalidBoxError(f"'{key}' of the ROI in {path.name} must be {count} numbers, not {values}. {_ROI_HINT}")
    return values


# DICOM


def _read_dicom_series(folder: Path, suv_factor: float | None) -> PetVolume:
    paths, slices = pet_series(folder)
    units = units_from_dicom(slices, suv_factor)
    reader = sitk.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in paths])
    # Each slice has its own rescale slope; ITK would otherwise take the pixel type from the first and truncate others.
    reader.SetOutputPixelType(sitk.sitkFloat32)
    warned = sitk.ProcessObject.GetGlobalWarningDisplay()
    sitk.ProcessObject.SetGlobalWarningDisplay(False)  # the slice distances were checked, with a tolerance that fits
    try:
        image = reader.Execute()
    except RuntimeError as error:
        raise UnsupportedVolumeError(
            f"The PET series in {folder} cannot be read: {_reason(error)} Export it again."
        ) from error
    finally:
        sitk.ProcessObject.SetGlobalWarningDisplay(warned)
    check_volume(image)
    image = _drop_metadata(image)
    warn_if_implausible(image, units)
    return PetVolume(image, units)


def pet_series(folder: Path) -> tuple[list[Path], list[Dataset]]:
    """Files and headers of the folder's one PET series, sorted along the slice normal.

    Returns:
        Paths, and headers with what geometry and SUV need; other DICOM objects in the folder are passed over.

    Raises:
        UnsupportedVolumeError: no series or several, or slices that do not fill a regular grid.
    """
    import pydicom  # here, so that the module loads quickly and without pydicom for the other formats

    series: dict[str, list[tuple[Path, Dataset]]] = defaultdict(list)
    others: Counter[str] = Counter()
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True, specific_tags=_SERIES_TAGS)
        except pydicom.errors.InvalidDicomError:
            continue
        if header.get("SOPClassUID") == _ENHANCED_PET_IMAGE_STORAGE:
            raise UnsupportedVolumeError(f"{folder} holds Enhanced PET (multi-frame) DICOM; convert it to NRRD first.")
        if header.get("SOPClassUID") == _PET_IMAGE_STORAGE:
            series[str(header.get("SeriesInstanceUID"))].append((path, header))
        else:
            others[str(header.get("Modality") or "without a modality")] += 1
    if not series:
        found = ", ".join(f"{count} {modality}" for modality, count in sorted(others.items())) or "none"
        raise UnsupportedVolumeError(
            f"{folder} holds no DICOM PET slices (other DICOM objects: {found}); give the folder of the PET series."
        )
    if len(series) > 1:
        counts = " and ".join(str(len(members)) for members in series.values())
        raise UnsupportedVolumeError(
            f"{folder} holds {len(series)} PET series, of {counts} slices; give a folder with one of them."
        )
    (members,) = series.values()
    order = _slice_order([header for _, header in members])
    return [members[n][0] for n in order], [members[n][1] for n in order]


def _slice_order(slices: Sequence[Dataset]) -> list[int]:
    """Indices that sort the slices along their normal, after checking that they fill a regular grid."""
    if len(slices) < 2:
        raise UnsupportedVolumeError("The PET series has one slice only; a volume is needed.")
    try:
        planes = np.array(
            [[*s.ImageOrientationPatient, *s.PixelSpacing, s.Rows, s.Columns] for s in slices], dtype=np.float64
        )
        positions = np.array([s.ImagePositionPatient for s in slices], dtype=np.float64)
    except (AttributeError, TypeError, ValueError) as error:
        raise UnsupportedVolumeError(
            f"A slice of the PET series lacks its geometry ({error}); export the series again."
        ) from error
    if not np.allclose(planes, planes[0], atol=1e-4):
        raise UnsupportedVolumeError(
            "The slices of the PET series differ in orientation, pixel spacing or size; give one volume's slices only."
        )
    normal = np.cross(planes[0, :3], planes[0, 3:6])
    heights = positions @ normal
    order = np.argsort(heights)
    steps = np.diff(heights[order])
    spacing = float(np.median(steps))
    if steps.min() < 1e-3:
        raise UnsupportedVolumeError(
            f"{int(np.count_nonzero(steps < 1e-3))} slices of the PET series lie in the place of another "
            "(a dynamic or gated scan?); give one frame's slices only."
        )
    if np.abs(steps - spacing).max() > _SLICE_TOLERANCE * spacing:
        raise UnsupportedVolumeError(
            f"Slices of the PET series are missing or unevenly spaced: distances of {steps.min():.3g} to "
            f"{steps.max():.3g} mm where {spacing:.3g} mm is usual. Export the whole series again, or resample it."
        )
    offsets = positions - positions[0]
    sideways = np.linalg.norm(offsets - np.outer(offsets @ normal, normal), axis=1).max()
    if sideways > _SLICE_TOLERANCE * planes[0, 6:8].min():
        raise UnsupportedVolumeError(
            f"The slices of the PET series are shifted sideways by up to {sideways:.3g} mm; resample the series first."
        )
    return order.tolist()


# Images


def _suffix(path: Path, known: Sequence[str]) -> str | None:
    return next((suffix for suffix in known if path.name.lower().endswith(suffix)), None)


def _reason(error: RuntimeError) -> str:
    """ITK's own reason, without the place in its sources and the address of its object."""
    text = " ".join(str(error).rsplit("ERROR: ", 1)[-1].split())
    return re.sub(r"^\w+\(0x[0-9a-f]+\): ", "", text)[:200].rstrip(".") + "."


def _drop_single_frames(image: sitk.Image) -> sitk.Image:
    while image.GetDimension() > 3 and image.GetSize()[-1] == 1:
        size = list(image.GetSize())
        image = sitk.Extract(image, [*size[:-1], 0], [0] * len(size))
    return image


def _drop_metadata(image: sitk.Image) -> sitk.Image:
    """The 3D scalar image without metadata keys; a copy, as SimpleITK images that share voxels share their keys."""
    return Grid.from_image(image).image_from_array(sitk.GetArrayViewFromImage(image))


def _provenance_keys(provenance: Mapping[str, Any] | None) -> dict[str, str]:
    return {
        f"TumorGen_{key}": value if isinstance(value, str) else json.dumps(value)
        for key, value in (provenance or {}).items()
    }


def _write(image: sitk.Image, path: Path, keys: Mapping[str, str], provenance: Mapping[str, Any] | None) -> None:
    clean = _drop_metadata(image)
    for key, value in keys.items():
        clean.SetMetaData(key, value)
    with replacing(path) as temporary:
        try:
            sitk.WriteImage(clean, str(temporary), useCompression=path.suffix.lower() != ".nii")
        except RuntimeError as error:
            raise OSError(f"{path} cannot be written: {_reason(error)}") from error
        if provenance is not None:
            write_provenance(provenance, path)
