"""Small valid files of every kind that TumorGen reads. `damaged_inputs` damages them."""

from __future__ import annotations

import functools
import gzip
import json
import re
import tempfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import nibabel
import nrrd as pynrrd
import numpy as np
import SimpleITK as sitk
from dicom_slices import write_slice
from odd_files import RAS, metaimage, nifti, nrrd
from volume_files import oblique_image

__all__ = ["SHARES", "Files", "good_inputs", "grid_image", "write_bundle"]

#: Content of each file by its path inside the folder of an input. The first one is read, or its folder.
Files = dict[str, bytes]

#: How many of 100 inputs are of each kind.
SHARES = {
    "nifti": 18,
    "nifti-gz": 8,
    "nrrd": 20,
    "mask": 7,
    "metaimage": 18,
    "dicom": 12,
    "roi": 5,
    "manifest": 5,
    "metadata": 3,
    "weights": 2,
    "provenance": 2,
}


def grid_image() -> sitk.Image:
    """The image that masks belong to, and the scan of the provenance."""
    values = np.random.default_rng(0).gamma(4.0, 0.25, (20, 20, 24)).astype(np.float32)
    image = sitk.GetImageFromArray(values)
    image.SetSpacing((4.0, 4.0, 4.0))
    return image


@functools.cache
def good_inputs(kind: str) -> tuple[Files, ...]:
    """Returns the valid inputs of a kind; the same in every process."""
    makers: dict[str, Callable[[Path], list[Files]]] = {
        "nifti": _nifti,
        "nifti-gz": _nifti_gz,
        "nrrd": _nrrd,
        "mask": _mask,
        "metaimage": _metaimage,
        "dicom": _dicom,
        "roi": _roi,
        "manifest": _manifest,
        "metadata": _bundle,
        "weights": _weights,
        "provenance": _provenance,
    }
    with tempfile.TemporaryDirectory() as folder:
        return tuple(makers[kind](Path(folder)))


def _single(path: Path) -> Files:
    return {path.name: path.read_bytes()}


def _nifti(folder: Path) -> list[Files]:
    path = folder / "case.nii"
    voxels = np.random.default_rng(1).integers(1, 60, (5, 4, 3))
    other = RAS.copy()
    other[:3, 3] += 50
    made = [
        _single(nifti(path)),
        _single(nifti(path, qform=(RAS, 1), sform=(RAS, 0))),
        _single(nifti(path, qform=(RAS, 0), sform=(RAS, 1))),
        _single(nifti(path, qform=(RAS, 1), sform=(other, 2))),
        _single(nifti(path, voxels.astype(np.int16), patches=[(112, "<f", 0.5), (116, "<f", 2.0)])),
        _single(nifti(path, voxels.astype(np.uint8))),
        _single(nifti(path, voxels.astype(np.float64))),
    ]
    header = nibabel.Nifti1Header(endianness=">")
    header.set_data_dtype(np.float32)
    nibabel.save(nibabel.Nifti1Image(voxels.astype(np.float32), RAS, header), path)
    made.append(_single(path))
    sitk.WriteImage(oblique_image(), str(path))
    made.append(_single(path))
    return made


def _nifti_gz(folder: Path) -> list[Files]:
    return [{"case.nii.gz": gzip.compress(files["case.nii"], mtime=0)} for files in _nifti(folder)]


def _nrrd(folder: Path) -> list[Files]:
    path = folder / "case.nrrd"
    values = np.random.default_rng(2).integers(1, 60, (5, 4, 3)).astype(np.int16)
    header = {
        "space": "right-anterior-superior",
        "space directions": np.diag([4.0, 4.0, 3.0]),
        "space origin": [1, 2, 3],
    }
    made = [_single(nrrd(path)), _single(nrrd(path, space_units='"cm" "cm" "cm"', kinds="domain domain domain"))]
    hexed = values.astype("<i2").tobytes(order="F").hex()
    made.append(
        _single(
            nrrd(
                path,
                "\n".join(hexed[n : n + 64] for n in range(0, len(hexed), 64)).encode(),
                type="short",
                encoding="hex",
            )
        )
    )
    for encoding in ("raw", "gzip", "bzip2", "ascii"):
        pynrrd.write(str(path), values, {**header, "encoding": encoding})
        made.append({path.name: re.sub(rb"(?m)^#.*\n", b"", path.read_bytes())})  # a comment holds the time
    data = values.astype("<f4").tobytes(order="F")
    for fields, content in (
        ({"data_file": "case.raw"}, {"case.raw": data}),
        ({"data_file": "case.raw", "byte_skip": "-1"}, {"case.raw": b"head" + data}),
        ({"data_file": "case.raw.gz", "encoding": "gzip"}, {"case.raw.gz": gzip.compress(data, mtime=0)}),
        (
            {"data_file": "part%d.raw 1 3 1"},
            {f"part{n + 1}.raw": data[80 * n : 80 * n + 80] for n in range(3)},
        ),
    ):
        made.append(_single(nrrd(folder / "case.nhdr", b"", **fields)) | content)
    listed = nrrd(folder / "case.nhdr", b"a.raw\nb.raw\nc.raw\n", data_file="LIST")
    made.append(
        {listed.name: listed.read_bytes().replace(b"LIST\n\n", b"LIST\n")}
        | {f"{'abc'[n]}.raw": data[80 * n : 80 * n + 80] for n in range(3)}
    )
    sitk.WriteImage(oblique_image(), str(path), useCompression=True)
    made.append(_single(path))
    sitk.WriteImage(sitk.JoinSeries([oblique_image(np.uint8)]), str(path))
    made.append(_single(path))
    return made


def _mask(folder: Path) -> list[Files]:
    path = folder / "case.seg.nrrd"
    image = grid_image()
    labels = sitk.GetImageFromArray(np.zeros((20, 20, 24), np.uint8))
    labels.CopyInformation(image)
    labels[6:12, 5:11, 4:9] = 1
    for key, value in {"Segment0_ID": "Tumor", "Segment0_LabelValue": "1", "Segment0_Layer": "0"}.items():
        labels.SetMetaData(key, value)
    sitk.WriteImage(labels, str(path), useCompression=True)
    made = [_single(path)]
    sitk.WriteImage(labels, str(path))
    made.append(_single(path))
    for name in ("case.nii.gz", "case.mha"):
        sitk.WriteImage(labels, str(folder / name), useCompression=True)
        made.append(_single(folder / name))
    return made


def _metaimage(folder: Path) -> list[Files]:
    path = folder / "case.mha"
    values = np.random.default_rng(4).integers(1, 60, (5, 4, 3)).astype(np.int16)
    data = values.astype("<i2").tobytes(order="F")
    made = [
        _single(metaimage(path)),
        _single(
            metaimage(
                path, values.astype(">i2").tobytes(order="F"), ElementType="MET_SHORT", BinaryDataByteOrderMSB="True"
            )
        ),
        _single(
            metaimage(path, " ".join(map(str, values.ravel("F"))).encode(), ElementType="MET_SHORT", BinaryData="False")
        ),
    ]
    for kind in (np.float32, np.uint16):
        for compressed in (True, False):
            sitk.WriteImage(oblique_image(kind), str(path), useCompression=compressed)
            made.append(_single(path))
    header = folder / "case.mhd"
    for tags, content in (
        ({"ElementDataFile": "case.raw"}, {"case.raw": data}),
        ({"ElementDataFile": "case.raw", "HeaderSize": "-1"}, {"case.raw": b"head" + data}),
        ({"ElementDataFile": "part%d.raw 1 3 1"}, {f"part{n + 1}.raw": data[40 * n : 40 * n + 40] for n in range(3)}),
    ):
        made.append(_single(metaimage(header, b"", ElementType="MET_SHORT", **tags)) | content)
    sitk.WriteImage(oblique_image(), str(header), useCompression=True)
    made.append({p.name: p.read_bytes() for p in (header, folder / "case.zraw")})
    return made


def _dicom(folder: Path) -> list[Files]:
    import pydicom
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

    injection = pydicom.Dataset()
    injection.RadiopharmaceuticalStartTime = "090000"
    injection.RadionuclideTotalDose = "370000000"
    injection.RadionuclideHalfLife = "6586.2"
    injection.is_undefined_length_sequence_item = True
    shared = {
        "Units": "BQML",
        "DecayCorrection": "START",
        "PatientWeight": "70",
        "SeriesDate": "20240102",
        "SeriesTime": "100000",
        "AcquisitionDate": "20240102",
        "AcquisitionTime": "100000",
        "NumberOfSlices": 4,
        "FrameOfReferenceUID": "1.2.3.9",
        "FrameReferenceTime": "0",
        "SeriesType": ["STATIC", "IMAGE"],
        "RadiopharmaceuticalInformationSequence": [injection],
    }
    for n in range(4):
        pixels = np.random.default_rng(n).integers(0, 30000, (3, 4)).astype(np.int16).tobytes()
        tags = shared | {"SOPInstanceUID": f"1.2.3.4.{n}", "InstanceNumber": n + 1, "PixelData": pixels}
        write_slice(folder / f"{n + 1}.dcm", 4.0 * n, 0, 0.5 + 0.1 * n, "1.2.3.4", **tags)

    def saved(syntax: str = "", **changes: object) -> Files:
        files = {}
        for n in range(4):
            header = pydicom.dcmread(folder / f"{n + 1}.dcm")
            list(header.iterall())  # decodes all values, so that they can be written in another syntax
            header["RadiopharmaceuticalInformationSequence"].is_undefined_length = True
            for keyword, value in changes.items():
                setattr(header, keyword, value)
            if syntax == RLELossless:
                header.compress(RLELossless, generate_instance_uid=False)
            elif syntax:
                header.file_meta.TransferSyntaxUID = syntax
            if syntax == ExplicitVRBigEndian:
                header.PixelData = np.frombuffer(header.PixelData, "<i2").astype(">i2").tobytes()
            stream = BytesIO()
            pydicom.dcmwrite(stream, header, enforce_file_format=True)
            files[f"series/{n + 1}.dcm"] = stream.getvalue()
        return files

    made = [saved(), saved(), saved(ImageOrientationPatient=[0.8, 0.6, 0, -0.6, 0.8, 0])]
    made.append(saved(Units="GML", RescaleSlope="0.001"))
    made += [
        saved(syntax)
        for syntax in (ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian, RLELossless)
    ]
    return made


def _roi(folder: Path) -> list[Files]:
    from TumorGenCore.volumes.geometry import Box
    from TumorGenCore.volumes.markups import write_box

    path = folder / "box.mrk.json"
    write_box(Box((10.0, -20.0, 400.5), (40.0, 30.0, 25.0)), path)
    lps = _single(path)
    content = json.loads(path.read_text())
    roi = content["markups"][0]
    roi |= {"coordinateSystem": "RAS", "orientation": [0.8, -0.6, 0.0, 0.6, 0.8, 0.0, 0.0, 0.0, 1.0]}
    roi |= {"locked": False, "labelFormat": "%N-%d", "display": {"visibility": True, "color": [0.4, 1.0, 0.0]}}
    return [lps, {path.name: json.dumps(content, indent=4).encode()}]


def _manifest(folder: Path) -> list[Files]:
    beside = _nifti(folder)[0] | _roi(folder)[0]
    scan = {f"{name}.nii": beside["case.nii"] for name in ("a", "b")}
    table = (
        "image,name,box,count,tumors,seed,suv_factor,suv_max,fill,steps,solver,least_quality\n"
        'a.nii,first,"30,-12,410,40,40,40",3,1,7,1.0,8.5,0.3,10,euler,0.6\n'
        "b.nii,second,,2,2,11,0.5,,,,heun,\n"
    )
    other = "image,roi,seed,suv_mean\na.nii,box.mrk.json,4,3.25\nb.nii,box.mrk.json,5,\n"
    return [{"table.csv": text.encode()} | scan | {"box.mrk.json": beside["box.mrk.json"]} for text in (table, other)]


@functools.cache
def _bundle_files() -> Files:
    from tiny_bundle import write_tiny_bundle

    from TumorGenCore.bundle.model_bundle import add_training_lesions
    from TumorGenCore.lesions.thumbnails import TrainingLesions

    with tempfile.TemporaryDirectory() as folder:
        bundle = write_tiny_bundle(Path(folder) / "tiny")
        frames = np.random.default_rng(0).integers(0, 256, (6, 12, 12, 12)).astype(np.uint8)
        traits = np.random.default_rng(1).normal(size=(6, 3)).astype(np.float32)
        add_training_lesions(bundle, TrainingLesions(frames, np.array([0, 0, 1, 1, 2, 2], np.int32), traits))
        names = ["configs/metadata.json", *sorted(f"models/{p.name}" for p in (bundle / "models").iterdir())]
        return {f"tiny/{name}": (bundle / name).read_bytes() for name in names}


def write_bundle(folder: Path) -> Path:
    """Writes the bundle that makes the tumor of the provenance into a folder, and returns its folder."""
    for name, content in _bundle_files().items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / "tiny"


def _bundle(folder: Path) -> list[Files]:
    return [_bundle_files()]


def _weights(folder: Path) -> list[Files]:
    files = _bundle_files()
    return [{name: files[name], **files} for name in files if name.endswith(".safetensors")]


def _provenance(folder: Path) -> list[Files]:
    from TumorGenCore import Box, TumorGenerator, TumorRequest, VariantRun
    from TumorGenCore.volumes.suv import PetUnits
    from TumorGenCore.volumes.volume import PetVolume

    generator = TumorGenerator.from_pretrained(write_bundle(folder), device="cpu")
    volume = PetVolume(grid_image(), PetUnits("unknown", 1.0, "given"))
    boxes = [Box((38.0, 38.0, 38.0), (34.0, 34.0, 34.0)), Box((60.0, 38.0, 38.0), (24.0, 24.0, 24.0))]
    made = []
    for request, more in ((TumorRequest(steps=2, solver="heun", suv_max=3.0), []), (TumorRequest(steps=2), boxes[1:])):
        (variant,) = VariantRun(generator, generator.prepare(volume, boxes[0]), request, [4], more_boxes=more)
        record = {**variant.provenance, "created_utc": "2026-01-01T00:00:00+00:00"}
        made.append({"case.provenance.json": json.dumps(record, indent=2).encode()})
    return made
