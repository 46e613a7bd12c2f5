"""Reads the same input with an independent program, and compares."""

from __future__ import annotations

import csv
import gzip
import io
import json
import re
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nibabel
import nrrd as pynrrd
import numpy as np
import SimpleITK as sitk
from good_inputs import grid_image
from numpy.typing import NDArray

__all__ = ["Opinion", "second_opinion"]

_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])
#: Places may differ by rounding to 32 bits, mm.
_SAME_MM = 2e-3


@dataclass(frozen=True)
class Opinion:
    """What an independent program says.

    Args:
        verdict: "same", "differs" or "refuses".
        why: what differs, or the error of the program.
    """

    verdict: str
    why: str = ""


def second_opinion(kind: str, path: Path, value: dict[str, Any]) -> Opinion:
    """Compares what TumorGen read (``Reading.value``) with what an independent program reads."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            difference = _JUDGES[kind](path, value)
    except Exception as error:
        return Opinion("refuses", f"{type(error).__name__}: {' '.join(str(error).split())}"[:600])
    return Opinion("differs", difference) if difference else Opinion("same")


def _same_volume(value: dict[str, Any], voxels: NDArray, matrix: NDArray) -> str:
    """Compares voxels (i, j, k) and index-to-LPS matrices; returns what differs."""
    ours = value["voxels"].T
    if ours.shape != voxels.shape:
        return f"size {ours.shape} and not {voxels.shape}"
    if not np.allclose(ours, voxels, rtol=1e-5, atol=1e-7):
        return f"{np.count_nonzero(~np.isclose(ours, voxels, rtol=1e-5, atol=1e-7))} voxels"
    ends = np.array([[0, 0, 0, 1], [*(n - 1 for n in ours.shape), 1]]).T
    apart = np.abs((value["matrix"] - matrix) @ ends).max()
    # A long way from the origin, 32 bits keep fewer digits.
    return "" if apart <= _SAME_MM + 1e-6 * np.abs(matrix).max() else f"places, by {apart:.3g} mm"


def _three_axes(voxels: NDArray, axes: list[int]) -> NDArray:
    """Takes the axes of the volume; the others must have one element."""
    others = tuple(n for n in range(voxels.ndim) if n not in axes)
    return np.squeeze(voxels, others)


def _nifti(path: Path, value: dict[str, Any]) -> str:
    return _same_volume(value, *_read_nifti(path))


def _read_nifti(path: Path) -> tuple[NDArray, NDArray]:
    content = path.read_bytes()
    if path.suffix == ".gz":
        content = gzip.decompress(content)  # nibabel reads no further than it needs, and checks no sum
    image = nibabel.Nifti1Image.from_filename(path)
    voxels = np.asanyarray(image.dataobj).astype(np.float64)
    unit = {1: 1000.0, 3: 0.001}.get(content[123] & 7, 1.0)  # nibabel takes all lengths as mm
    matrix = np.diag([unit, unit, unit, 1.0]) @ image.affine
    return _three_axes(voxels, [0, 1, 2]), _TO_LPS @ matrix


def _nrrd(path: Path, value: dict[str, Any]) -> str:
    return _same_volume(value, *_read_nrrd(path))


def _read_nrrd(path: Path) -> tuple[NDArray, NDArray]:
    content = path.read_bytes()
    header, blank, rest = content.partition(b"\n\n")
    # The standard does not tell large letters in the names of fields from small ones; pynrrd does.
    header = re.sub(rb"(?m)^(?!NRRD)[A-Za-z ]+(?=: )", lambda found: found[0].lower(), header)
    path = path.with_name(f"judged-{path.name}")
    path.write_bytes(header + blank + rest)
    try:
        return _read_with_pynrrd(path)
    except Exception as error:
        if not re.search(r"encoding: hex|part%d|expected 2, got 1", str(error)):
            raise
    return _read_with_itk(path)  # pynrrd reads no hex, no pattern of data files, and no plain LIST of them


def _read_with_pynrrd(path: Path) -> tuple[NDArray, NDArray]:
    voxels, header = pynrrd.read(str(path))
    directions = np.array(header["space directions"], np.float64)
    axes = [
        n
        for n, step in enumerate(directions)
        if np.isfinite(step).all() and (voxels.shape[n] > 1 or len(directions) == 3)
    ]
    if len(axes) < 3:  # an axis of one element is one of the volume all the same
        axes = [n for n, step in enumerate(directions) if np.isfinite(step).all()][:3]
    units = {"mm": 1.0, "cm": 10.0, "m": 1000.0, "um": 1e-3, "nm": 1e-6}
    scale = np.array([units[name.strip()] for name in header.get("space units", ["mm"] * 3)])
    signs = {
        "right-anterior-superior": (-1, -1, 1),
        "ras": (-1, -1, 1),
        "left-anterior-superior": (1, -1, 1),
        "las": (1, -1, 1),
    }
    scale = scale * signs.get(str(header.get("space", "")).lower(), (1, 1, 1))
    matrix = np.eye(4)
    matrix[:3, :3] = directions[axes].T[:3] * scale[:, None]
    matrix[:3, 3] = np.asarray(header["space origin"], np.float64)[:3] * scale
    return _three_axes(voxels.astype(np.float64), axes), matrix


def _metaimage(path: Path, value: dict[str, Any]) -> str:
    return _same_volume(value, *_read_metaimage(path))


def _read_metaimage(path: Path) -> tuple[NDArray, NDArray]:
    content = path.read_bytes()
    if re.search(rb"BinaryData *= *[Ff0]", content):
        matrix, size = _geometry_with_itk(path)  # ITK reads no voxels of text
        text = content[re.search(rb"ElementDataFile[^\n]*\n", content).end() :]
        count = int(np.prod(size))
        voxels = np.array([float(token) for token in text.split()[:count]]).reshape(size, order="F")
    else:
        voxels, matrix = _read_with_itk(path)
    unit = re.search(rb"(?m)^DistanceUnits = (\S+)", content)  # ITK takes all lengths as mm
    scale = {b"cm": 10.0, b"m": 1000.0, b"um": 1e-3}.get(unit[1], 1.0) if unit else 1.0
    return voxels, np.diag([scale, scale, scale, 1.0]) @ matrix


def _geometry_with_itk(path: Path) -> tuple[NDArray, tuple[int, ...]]:
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    return _matrix_of(reader), reader.GetSize()[:3]


def _matrix_of(image: Any) -> NDArray:
    count = image.GetDimension()
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(image.GetDirection(), (count, count))[:3, :3] * np.array(image.GetSpacing()[:3])
    matrix[:3, 3] = image.GetOrigin()[:3]
    return matrix


def _read_with_itk(path: Path) -> tuple[NDArray, NDArray]:
    image = sitk.ReadImage(str(path))
    return _three_axes(sitk.GetArrayFromImage(image).T.astype(np.float64), [0, 1, 2]), _matrix_of(image)


def _mask(path: Path, value: dict[str, Any]) -> str:
    read = _read_nifti if ".nii" in path.name else _read_metaimage if path.suffix == ".mha" else _read_nrrd
    labels, matrix = read(path)
    ours = value["voxels"].T
    spacing = 4.0  # of ``grid_image``, which starts at 0, 0, 0
    assert grid_image().GetSpacing() == (spacing,) * 3
    points = np.stack(np.indices(ours.shape), -1) * spacing
    places = (points - matrix[:3, 3]) @ np.linalg.inv(matrix[:3, :3]).T
    nearest = np.floor(places + 0.5).astype(np.int64)
    inside = ((nearest >= 0) & (nearest < labels.shape)).all(-1)
    expected = np.zeros(ours.shape, bool)
    expected[inside] = labels[tuple(nearest[inside].T)] > 0
    # Halfway between two voxels, both are nearest.
    clear = (np.abs(places - np.floor(places) - 0.5) > 1e-4).all(-1)
    wrong = np.count_nonzero((ours != expected) & clear)
    return f"{wrong} voxels" if wrong else ""


def _dicom(path: Path, value: dict[str, Any]) -> str:
    import pydicom

    slices = [pydicom.dcmread(file, force=True) for file in sorted(path.iterdir()) if file.name != "notes.txt"]
    classes = [each.get("SOPClassUID") or each.file_meta.get("MediaStorageSOPClassUID") for each in slices]
    slices = [each for each, one in zip(slices, classes, strict=True) if one == "1.2.840.10008.5.1.4.1.1.128"]
    first = slices[0]
    across, down = np.array(first.ImageOrientationPatient, np.float64).reshape(2, 3)
    normal = np.cross(across, down)
    slices.sort(key=lambda each: float(normal @ np.array(each.ImagePositionPatient, np.float64)))
    voxels = [each.pixel_array * float(each.RescaleSlope) + float(each.get("RescaleIntercept") or 0) for each in slices]
    ends = [np.array(each.ImagePositionPatient, np.float64) for each in (slices[0], slices[-1])]
    matrix = np.eye(4)
    spacing = [float(n) for n in first.PixelSpacing]
    matrix[:3, :3] = np.column_stack([across * spacing[1], down * spacing[0], (ends[1] - ends[0]) / (len(slices) - 1)])
    matrix[:3, 3] = ends[0]
    factor = _suv_factor(first)
    if abs(value["factor"] / factor - 1) > 1e-3:
        return f"SUV factor {value['factor']:.6g} and not {factor:.6g}"
    return _same_volume(value, np.stack(voxels).T, matrix)


def _suv_factor(header: Any) -> float:
    """SUV per Bq/mL by the textbook, for a scan on the day of the injection."""
    if header.Units == "GML":
        return 1.0
    assert header.Units == "BQML", f"Units {header.Units}"
    (injection,) = header.RadiopharmaceuticalInformationSequence
    if header.DecayCorrection == "ADMIN":
        waited = 0.0
    else:
        first = _seconds(header.AcquisitionTime)  # a later SeriesTime is one of post-processing
        scan = min(first, _seconds(header.SeriesTime)) if header.DecayCorrection == "START" else first
        waited = scan - _seconds(injection.RadiopharmaceuticalStartTime)
        waited += 86400 * (waited < 0)
    decayed = float(injection.RadionuclideTotalDose) * 0.5 ** (waited / float(injection.RadionuclideHalfLife))
    return 1000 * float(header.PatientWeight) / decayed


def _seconds(time: str) -> float:
    text = str(time).replace(":", "")
    return int(text[:2]) * 3600 + int(text[2:4] or 0) * 60 + float(text[4:] or 0)


def _roi(path: Path, value: dict[str, Any]) -> str:
    (roi,) = json.loads(path.read_bytes())["markups"]
    signs = np.array([-1, -1, 1]) if roi.get("coordinateSystem", "LPS").upper() == "RAS" else np.ones(3)
    expected = {
        "center_lps": np.array(roi["center"]) * signs,
        "size_mm": np.array(roi["size"]),
        "axes": np.array(roi["orientation"]).reshape(3, 3) * signs[:, None],
    }
    return next((name for name, one in expected.items() if not np.allclose(value[name], one)), "")


def _manifest(path: Path, value: dict[str, Any]) -> str:
    text = path.read_bytes().decode("utf-8-sig")
    lines = [cells for cells in csv.reader(io.StringIO(text, newline="")) if any(cell.strip() for cell in cells)]
    header = [cell.strip() for cell in lines[0]]
    if len(lines) - 1 != len(value["rows"]):
        return f"{len(value['rows'])} rows and not {len(lines) - 1}"
    for cells, row in zip(lines[1:], value["rows"], strict=True):
        told = {name: cell.strip() for name, cell in zip(header, cells, strict=False) if cell.strip()}
        first, count = int(told.get("seed", 0)), int(told.get("count", 1))
        read = {
            "image": row["image"].name == Path(told["image"]).name,
            "name": row["name"] == told.get("name", Path(told["image"]).stem),
            "seeds": (row["seeds"][0], row["seeds"][-1]) == (first, first + count - 1),
            "tumors": row["tumors"] == int(told.get("tumors", 1)),
        }
        if "box" in told:
            x, y, z, *size = (float(part) for part in told["box"].split(","))
            read["box"] = np.allclose([*row["box"]["center_lps"], *row["box"]["size_mm"]], [-x, -y, z, *size])
        numbers = {"suv_factor": row["suv_factor"]} | {
            name: row["request"][name] for name in ("suv_max", "suv_mean", "fill", "steps", "least_quality")
        }
        for name, number in numbers.items():
            read[name] = number == (float(told[name]) if name in told else None)
        read["solver"] = row["request"]["solver"] == told.get("solver")
        if wrong := [name for name, right in read.items() if not right]:
            return ", ".join(wrong)
    return ""


def _bundle(path: Path, value: dict[str, Any]) -> str:
    own = json.loads((path / "configs" / "metadata.json").read_bytes())["tumorgen"]
    settings = dict(value["settings"])
    settings["intensity_scale"] = settings.pop("scale")
    for name, read in settings.items():
        told = own.get(name, {})
        pairs = (
            [(key, told[key], read[key]) for key in told if key in read]
            if isinstance(told, dict)
            else [(name, told, read)]
        )
        for key, one, other in pairs:
            if json.loads(json.dumps(other)) != one and not np.array_equal(np.array(one), np.array(other)):
                return f"{name}.{key}"
    for name, tensors in value["weights"].items():
        content = (path / "models" / name).read_bytes()
        (length,) = struct.unpack_from("<Q", content)
        header = json.loads(content[8 : 8 + length])
        header.pop("__metadata__", None)
        if sorted(header) != sorted(tensors):
            return f"{name}: the names of the tensors"
        kinds = {"F16": "<f2", "F32": "<f4", "U8": "u1", "I32": "<i4", "I64": "<i8", "BF16": "", "F64": "<f8"}
        for key, entry in header.items():
            start, end = entry["data_offsets"]
            stored = np.frombuffer(content[8 + length + start : 8 + length + end], kinds[entry["dtype"]])
            if not np.array_equal(stored.reshape(entry["shape"]).astype(tensors[key].dtype), tensors[key]):
                return f"{name}: {key}"
    return ""


def _provenance(path: Path, value: dict[str, Any]) -> str:
    record = json.loads(path.read_bytes())
    hashes = [tumor["sha256"] for tumor in record["tumors"]]
    return "" if hashes == value["sha256"] else "the hash of the tumor"


_JUDGES: dict[str, Callable[[Path, dict[str, Any]], str]] = {
    "nifti": _nifti,
    "nifti-gz": _nifti,
    "nrrd": _nrrd,
    "mask": _mask,
    "metaimage": _metaimage,
    "dicom": _dicom,
    "roi": _roi,
    "manifest": _manifest,
    "metadata": _bundle,
    "weights": _bundle,
    "provenance": _provenance,
}
