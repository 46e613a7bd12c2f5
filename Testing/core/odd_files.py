"""Writes small NIfTI, NRRD and MetaImage files with any header, and reads them with their warnings."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import UnknownUnitsWarning, VolumeWarning
from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.read import read_volume

#: Voxels (i, j, k), and the place of each (RAS mm) in the file that ``nifti`` writes by default.
VOXELS = np.random.default_rng(3).integers(1, 60, (5, 4, 3)).astype(np.float32)
RAS = np.array([[-4.0, 0, 0, 22], [0, 4, 0, -18], [0, 0, 3, -100], [0, 0, 0, 1]])
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def read(path: Path) -> tuple[NDArray, NDArray, list[str]]:
    """Returns voxels (i, j, k), the index-to-LPS matrix, and the warnings that are not about units."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        image = read_volume(path).image
    odd = [each for each in caught if not issubclass(each.category, UnknownUnitsWarning)]
    assert all(issubclass(each.category, VolumeWarning) for each in odd)
    matrix = Grid.from_image(image).index_to_lps_matrix
    return sitk.GetArrayFromImage(image).T, matrix, [str(each.message) for each in odd]


def nifti(
    path: Path,
    voxels: NDArray = VOXELS,
    qform: tuple[NDArray, int] = (RAS, 1),
    sform: tuple[NDArray, int] = (RAS, 1),
    patches: Sequence[tuple[int, str, float]] = (),
) -> Path:
    """Writes a .nii file; ``patches`` are bytes of the header to replace: place, struct format, value."""
    image = nibabel.Nifti1Image(voxels, RAS)
    image.set_qform(*qform)
    image.set_sform(*sform)
    nibabel.save(image, path)
    content = bytearray(path.read_bytes())
    for place, kind, value in patches:
        struct.pack_into(kind, content, place, value)
    path.write_bytes(content)
    return path


def nrrd(path: Path, data: bytes | None = None, **fields: str | None) -> Path:
    """Writes an NRRD file in LPS; ``fields`` replaces or (None) removes fields, with _ for spaces."""
    header = {
        "type": "float",
        "dimension": "3",
        "space": "left-posterior-superior",
        "sizes": "5 4 3",
        "space directions": "(4,0,0) (0,4,0) (0,0,3)",
        "endian": "little",
        "encoding": "raw",
        "space origin": "(1,2,3)",
    } | {key.replace("_", " "): value for key, value in fields.items()}
    lines = ["NRRD0005", *(f"{key}: {value}" for key, value in header.items() if value is not None)]
    path.write_bytes(("\n".join(lines) + "\n\n").encode() + (VOXELS.tobytes(order="F") if data is None else data))
    return path


def metaimage(path: Path, data: bytes | None = None, **tags: str | None) -> Path:
    """Writes a MetaImage file; ``tags`` replaces or (None) removes tags."""
    header = {
        "ObjectType": "Image",
        "NDims": "3",
        "BinaryData": "True",
        "BinaryDataByteOrderMSB": "False",
        "TransformMatrix": "1 0 0 0 1 0 0 0 1",
        "Offset": "1 2 3",
        "ElementSpacing": "4 4 3",
        "DimSize": "5 4 3",
        "ElementType": "MET_FLOAT",
    } | tags
    lines = [f"{key} = {value}" for key, value in header.items() if value is not None and key != "ElementDataFile"]
    lines.append(f"ElementDataFile = {tags.get('ElementDataFile', 'LOCAL')}")
    path.write_bytes(("\n".join(lines) + "\n").encode() + (VOXELS.tobytes(order="F") if data is None else data))
    return path
