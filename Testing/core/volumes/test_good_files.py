"""Good files stay good: valid but unusual files are read without a refusal and without a new warning.

Values and places are compared with those of nibabel and pynrrd, or with those that the file was made from.
"""

from __future__ import annotations

import bz2
import gzip
import itertools
import warnings
import zlib
from pathlib import Path

import nibabel
import nrrd
import numpy as np
import pytest
import SimpleITK as sitk
from dicom_slices import RIGHT_HANDED
from numpy.typing import NDArray

from TumorGenCore.volumes.geometry import Grid
from TumorGenCore.volumes.read import read_mask, read_volume

DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f4", "f8"]
SIZE = (5, 4, 3)
STEPS = RIGHT_HANDED * [1.25, 2.7, 4.1]
ORIGIN = np.array([-123.456, 78.9, 1012.3])
TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def values(dtype: str = "f4") -> NDArray:
    """Small numbers (i, j, k) of a type."""
    return np.random.default_rng(4).integers(1, 100, SIZE).astype(dtype)


def affine(steps: NDArray = STEPS, origin: NDArray = ORIGIN) -> NDArray:
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = steps, origin
    return matrix


def check(path: Path, voxels: NDArray, lps: NDArray, atol: float = 1e-9) -> None:
    """Reads a file without any warning, and compares its voxels (i, j, k) and its index-to-LPS matrix."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        image = read_volume(path, suv_factor=1.0).image
    np.testing.assert_array_equal(sitk.GetArrayFromImage(image), voxels.T)
    np.testing.assert_allclose(Grid.from_image(image).index_to_lps_matrix, lps, rtol=0, atol=atol)


def save_nifti(path: Path, voxels: NDArray, ras: NDArray, order: str = "<", **header: object) -> Path:
    """Writes a NIfTI file with nibabel; ``header`` sets header values after the forms."""
    image = nibabel.Nifti1Image(voxels, ras, nibabel.Nifti1Header(endianness=order), dtype=voxels.dtype)
    image.set_qform(ras, 1)
    image.set_sform(ras, 1)
    for key, value in header.items():
        image.header[key] = value
    nibabel.save(image, path)
    return path


def check_nifti(path: Path) -> None:
    """Reads a NIfTI file as nibabel does."""
    image = nibabel.load(path)
    voxels = np.asanyarray(image.dataobj)
    voxels = voxels.reshape(voxels.shape[:3])
    if image.dataobj.slope != 1 or image.dataobj.inter != 0:
        voxels = voxels.astype(np.float32)
    check(path, voxels, TO_LPS @ image.affine, atol=1e-4)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nifti_of_every_type_and_byte_order(tmp_path, dtype, order):
    for suffix in (".nii", ".nii.gz"):
        check_nifti(save_nifti(tmp_path / f"a{suffix}", values(dtype), TO_LPS @ affine(), order))


def test_nifti_of_all_48_orientations(tmp_path):
    for axes in itertools.permutations(range(3)):
        for signs in itertools.product((1.0, -1.0), repeat=3):
            steps = np.zeros((3, 3))
            steps[axes, range(3)] = np.multiply(signs, [1.25, 2.7, 4.1])
            check_nifti(save_nifti(tmp_path / "a.nii", values(), affine(steps)))


@pytest.mark.parametrize(
    "header",
    [
        pytest.param({"sform_code": 0}, id="qform only"),
        pytest.param({"qform_code": 0}, id="sform only"),
        pytest.param({"qform_code": 0, "quatern_b": 0.7, "qoffset_x": 9}, id="qform without a code is not used"),
        pytest.param({"sform_code": 0, "srow_x": [0, 0, 0, 0]}, id="sform without a code is not used"),
        pytest.param({"sform_code": 4}, id="atlas"),
        pytest.param({"xyzt_units": 0}, id="no units"),
        pytest.param({"scl_slope": 0, "scl_inter": 5}, id="slope 0"),
        pytest.param({"cal_max": 5, "descrip": b"x" * 80, "intent_code": 1001}, id="other fields"),
    ],
)
def test_nifti_with_unusual_headers(tmp_path, header):
    path = save_nifti(tmp_path / "a.nii.gz", values("i2"), TO_LPS @ affine(), **header)
    check_nifti(path)


def test_nifti_with_scanner_and_atlas_space(tmp_path):
    image = nibabel.Nifti1Image(values(), None)
    image.set_qform(affine(), 1)
    image.set_sform(affine(np.diag([1.25, 2.7, 4.1]), ORIGIN + 30), 4)
    nibabel.save(image, tmp_path / "a.nii")
    check_nifti(tmp_path / "a.nii")


@pytest.mark.parametrize(("unit", "factor"), [("meter", 1e-3), ("micron", 1e3), ("mm", 1.0)])
def test_nifti_in_other_units(tmp_path, unit, factor):
    image = nibabel.Nifti1Image(values(), affine(STEPS * factor, ORIGIN * factor))
    image.header.set_xyzt_units(unit)
    nibabel.save(image, tmp_path / "a.nii")
    check(tmp_path / "a.nii", values(), TO_LPS @ affine(), atol=1e-3)


def test_nifti_with_slope_intercept_extension_and_a_fourth_axis(tmp_path):
    image = nibabel.Nifti1Image(values("i2")[..., None], affine())
    image.header.set_slope_inter(0.25, -2.0)
    image.header.extensions.append(nibabel.nifti1.Nifti1Extension("comment", b"a" * 1000))
    nibabel.save(image, tmp_path / "a.nii.gz")
    stored = np.asanyarray(nibabel.load(tmp_path / "a.nii.gz").dataobj).reshape(SIZE)
    check(tmp_path / "a.nii.gz", stored.astype(np.float32), TO_LPS @ affine(), atol=1e-4)


def test_nifti_of_several_gzip_members_and_with_padding(tmp_path):
    content = save_nifti(tmp_path / "a.nii", values(), affine()).read_bytes()
    (tmp_path / "b.nii.gz").write_bytes(gzip.compress(content[:400]) + gzip.compress(content[400:]))
    check_nifti(tmp_path / "b.nii.gz")
    (tmp_path / "c.nii").write_bytes(content + bytes(40))
    check_nifti(tmp_path / "c.nii")


NRRD_FIELDS = {
    "type": "float",
    "dimension": "3",
    "space": "left-posterior-superior",
    "sizes": "5 4 3",
    "space directions": " ".join("(" + ",".join(map(repr, step)) + ")" for step in STEPS.T.tolist()),
    "kinds": "domain domain domain",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(" + ",".join(map(repr, ORIGIN.tolist())) + ")",
}


def save_nrrd(
    path: Path, data: bytes, version: int = 4, extra: str = "", end: str = "\n", **fields: str | None
) -> Path:
    """Writes an NRRD file with other fields; None leaves a field out. Spaces in a name are underscores here."""
    changed = NRRD_FIELDS | {key.replace("_", " "): value for key, value in fields.items()}
    lines = [f"NRRD000{version}", *(f"{key}: {value}" for key, value in changed.items() if value is not None)]
    lines += extra.splitlines()
    path.write_bytes((end.join(lines) + end + end).encode() + data)
    return path


def raw(dtype: str = "<f4") -> bytes:
    return values(dtype).tobytes(order="F")


def check_nrrd(path: Path) -> None:
    """Reads an NRRD file in LPS as pynrrd does."""
    voxels, header = nrrd.read(str(path))
    check(path, voxels, affine(header["space directions"].T, header["space origin"]))


@pytest.mark.parametrize("dtype", DTYPES)
def test_nrrd_of_every_type_and_byte_order(tmp_path, dtype):
    header = {"space": "left-posterior-superior", "space directions": STEPS.T, "space origin": ORIGIN}
    for encoding, order in itertools.product(("raw", "gzip", "bz2", "ascii"), "<>"):
        path = tmp_path / f"{encoding}{order == '<'}.nrrd"
        nrrd.write(str(path), values(dtype).astype(order + dtype), header | {"encoding": encoding})
        check_nrrd(path)


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("hex", raw().hex().encode()),
        ("gz", zlib.compress(raw())),
        ("bzip2", bz2.compress(raw())),
        ("txt", b"\n".join(b"%g" % v for v in values().ravel(order="F"))),
        ("text", b", ".join(b"%g" % v for v in values().ravel(order="F"))),
    ],
)
def test_nrrd_of_every_encoding(tmp_path, encoding, data):
    check(save_nrrd(tmp_path / "a.nrrd", data, encoding=encoding), values(), affine())


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"version": 5, "space_units": '"mm" "mm" "mm"'}, id="mm"),
        pytest.param({"type": "signed short int", "endian": "big"}, id="another name of a type"),
        pytest.param({"measurement_frame": "(1,0,0) (0,1,0) (0,0,1)"}, id="measurement frame"),
        pytest.param({"end": "\r\n"}, id="Windows lines"),
        pytest.param({"extra": "# a comment\nPatient:=unknown\nTags:=" + "x" * 9000}, id="comments and long keys"),
        pytest.param({"kinds": None, "centerings": "cell cell cell", "content": "PET: SUV"}, id="other fields"),
        pytest.param({"kinds": "space space space", "thicknesses": "nan nan 4"}, id="thickness"),
        pytest.param({"space": None, "space_dimension": "3"}, id="space without a name"),
        pytest.param({"space": "LPS"}, id="short name of the space"),
    ],
)
def test_nrrd_with_unusual_headers(tmp_path, fields):
    kind = {"signed short int": ">i2"}.get(fields.get("type"), "<f4")
    path = save_nrrd(tmp_path / "a.nrrd", raw(kind), **fields)
    check(path, values(kind), affine())


@pytest.mark.parametrize(
    ("space", "signs"),
    [
        ("right-anterior-superior", [-1, -1, 1]),
        ("RAS", [-1, -1, 1]),
        ("left-anterior-superior", [1, -1, 1]),
        ("LAS", [1, -1, 1]),
    ],
)
def test_nrrd_in_other_spaces(tmp_path, space, signs):
    check(save_nrrd(tmp_path / "a.nrrd", raw(), space=space), values(), np.diag([*signs, 1.0]) @ affine())


@pytest.mark.parametrize(("unit", "factor"), [("cm", 10.0), ("um", 1e-3), ("µm", 1e-3), ("m", 1e3)])
def test_nrrd_in_other_units(tmp_path, unit, factor):
    scaled = {
        "space_directions": " ".join(str(tuple(step)).replace(" ", "") for step in (STEPS.T / factor).tolist()),
        "space_origin": str(tuple((ORIGIN / factor).tolist())).replace(" ", ""),
        "space_units": " ".join([f'"{unit}"'] * 3),
    }
    check(save_nrrd(tmp_path / "a.nrrd", raw(), **scaled), values(), affine())


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"sizes": "1 5 4 3", "kinds": "list domain domain domain"}, id="Slicer sequence"),
        pytest.param({"sizes": "1 5 4 3", "kinds": "vector domain domain domain"}, id="one component"),
        pytest.param({"sizes": "5 4 3 1", "kinds": "domain domain domain time"}, id="time last"),
        pytest.param({"sizes": "5 4 3 1", "kinds": None}, id="no kinds"),
    ],
)
def test_nrrd_with_one_frame(tmp_path, fields):
    directions = NRRD_FIELDS["space directions"]
    directions = f"none {directions}" if fields["sizes"].startswith("1") else f"{directions} none"
    path = save_nrrd(tmp_path / "a.seq.nrrd", raw(), dimension="4", space_directions=directions, **fields)
    check(path, values(), affine())


@pytest.mark.parametrize("suffix", [".nhdr", ".nrrd"])
def test_detached_nrrd(tmp_path, suffix):
    (tmp_path / "a b.raw").write_bytes(raw())
    check(save_nrrd(tmp_path / f"a{suffix}", b"", data_file="a b.raw"), values(), affine())
    (tmp_path / "skip.raw").write_bytes(b"two\nlines\n" + bytes(7) + raw())
    fields = {"data_file": "skip.raw", "line_skip": "2", "byte_skip": "7"}
    check(save_nrrd(tmp_path / f"b{suffix}", b"", **fields), values(), affine())
    check(save_nrrd(tmp_path / f"c{suffix}", b"", data_file="skip.raw", byte_skip="-1"), values(), affine())
    for k in range(3):
        (tmp_path / f"s{k + 1:02}.raw").write_bytes(values()[:, :, k].tobytes(order="F"))
    check(save_nrrd(tmp_path / f"d{suffix}", b"", data_file="s%02d.raw 1 3 1"), values(), affine())
    listed = "data file: LIST\ns01.raw\ns02.raw\ns03.raw"
    check(save_nrrd(tmp_path / f"e{suffix}", b"", extra=listed), values(), affine())


def test_slicer_segmentation_is_a_mask(tmp_path):
    mask = (values() > 50).astype(np.uint8)
    keys = "Segment0_ID:=Segment_1\nSegment0_LabelValue:=1\nSegment0_Tags:=TerminologyEntry:a~b^c|"
    fields = {"type": "unsigned char", "encoding": "gzip", "endian": None, "extra": keys}
    path = save_nrrd(tmp_path / "a.seg.nrrd", gzip.compress(mask.tobytes(order="F")), **fields)
    rows = tuple(map(tuple, RIGHT_HANDED.tolist()))
    grid = Grid(SIZE, (1.25, 2.7, 4.1), tuple(ORIGIN.tolist()), rows)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.array_equal(read_mask(path, grid), mask.T > 0)


META_TAGS = {
    "ObjectType": "Image",
    "NDims": "3",
    "BinaryData": "True",
    "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False",
    "TransformMatrix": " ".join(map(repr, RIGHT_HANDED.T.ravel().tolist())),
    "Offset": " ".join(map(repr, ORIGIN.tolist())),
    "CenterOfRotation": "0 0 0",
    "AnatomicalOrientation": "RAI",
    "ElementSpacing": "1.25 2.7 4.1",
    "DimSize": "5 4 3",
    "ElementType": "MET_FLOAT",
    "ElementDataFile": "LOCAL",
}


def save_meta(path: Path, data: bytes, end: str = "\n", **tags: str | None) -> Path:
    """Writes a MetaImage file with other tags; None leaves a tag out."""
    changed = {key: tags.pop(key, value) for key, value in META_TAGS.items()}
    last = changed.pop("ElementDataFile")
    lines = [f"{key} = {value}" for key, value in (changed | tags).items() if value is not None]
    path.write_bytes((end.join([*lines, f"ElementDataFile = {last}"]) + end).encode() + data)
    return path


@pytest.mark.parametrize("dtype", DTYPES)
def test_metaimage_of_every_type(tmp_path, dtype):
    image = sitk.GetImageFromArray(np.ascontiguousarray(values(dtype).T))
    image.SetSpacing((1.25, 2.7, 4.1))
    image.SetOrigin(ORIGIN.tolist())
    image.SetDirection(RIGHT_HANDED.ravel().tolist())
    for suffix, compressed in itertools.product((".mha", ".mhd"), (True, False)):
        sitk.WriteImage(image, tmp_path / f"a{suffix}", useCompression=compressed)
        check(tmp_path / f"a{suffix}", values(dtype), affine())


@pytest.mark.parametrize(
    ("data", "tags"),
    [
        pytest.param(raw(">f4"), {"BinaryDataByteOrderMSB": "True"}, id="big endian"),
        pytest.param(raw(">f4"), {"BinaryDataByteOrderMSB": None, "ElementByteOrderMSB": "True"}, id="old order tag"),
        pytest.param(zlib.compress(raw()), {"CompressedData": "True"}, id="no compressed size"),
        pytest.param(gzip.compress(raw()), {"CompressedData": "True"}, id="gzip"),
        pytest.param(b" ".join(b"%g" % v for v in values().ravel(order="F")), {"BinaryData": "False"}, id="text"),
        pytest.param(raw(), {"Offset": None, "Position": META_TAGS["Offset"]}, id="Position"),
        pytest.param(raw(), {"TransformMatrix": None, "Rotation": META_TAGS["TransformMatrix"]}, id="Rotation"),
        pytest.param(raw(), {"ElementSpacing": None, "ElementSize": "1.25 2.7 4.1"}, id="ElementSize"),
        pytest.param(raw(), {"HeaderSize": "-1"}, id="voxels at the end"),
        pytest.param(raw(), {"end": "\r\n"}, id="Windows lines"),
        pytest.param(raw(), {"Comment": "x" * 6000, "Modality": "MET_MOD_OTHER"}, id="other tags"),
        pytest.param(raw(), {"ElementToIntensityFunctionSlope": "1"}, id="slope 1"),
        pytest.param(raw("<i4"), {"ElementType": "MET_LONG"}, id="MET_LONG"),
    ],
)
def test_metaimage_with_unusual_headers(tmp_path, data, tags):
    dtype = "i4" if "ElementType" in tags else "f4"
    check(save_meta(tmp_path / "a.mha", data, **tags), values(dtype), affine())


def test_metaimage_of_several_files(tmp_path):
    for k in range(3):
        (tmp_path / f"s{k + 1:02}.raw").write_bytes(values()[:, :, k].tobytes(order="F"))
    check(save_meta(tmp_path / "a.mhd", b"", ElementDataFile="s%02d.raw 1 3 1"), values(), affine())
    listed = save_meta(tmp_path / "b.mhd", b"s01.raw\ns02.raw\ns03.raw\n", ElementDataFile="LIST")
    check(listed, values(), affine())
    (tmp_path / "skip.raw").write_bytes(bytes(9) + raw())
    check(save_meta(tmp_path / "c.mhd", b"", ElementDataFile="skip.raw", HeaderSize="9"), values(), affine())


def test_metaimage_with_a_fourth_axis(tmp_path):
    four = np.eye(4)
    four[:3, :3] = RIGHT_HANDED
    tags = {
        "NDims": "4",
        "DimSize": "5 4 3 1",
        "ElementSpacing": "1.25 2.7 4.1 1",
        "Offset": META_TAGS["Offset"] + " 0",
        "TransformMatrix": " ".join(map(repr, four.T.ravel().tolist())),
        "CenterOfRotation": None,
    }
    check(save_meta(tmp_path / "a.mha", raw(), **tags), values(), affine())
