"""Runs `tumorgen insert` on a series full of identifiers, and looks for them in everything that it writes.

The same run tells whether the program opened a connection or ran a pickle.
"""

from __future__ import annotations

import gzip
import re
import subprocess
import sys
import zlib
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pydicom
from dicom_slices import write_slice
from pydicom.uid import generate_uid

__all__ = ["MASKS", "PERSON", "REFERENCES", "WATCHED", "found_in", "insert_quietly", "private_series", "watched_run"]

#: What identifies the person or leads to the record; it may be in no output at all.
PERSON = {
    "PatientName": "CANARYNAME^JANE",
    "PatientID": "CANARY-MRN-4711",
    "OtherPatientIDs": "CANARY-OTHER-4712",
    "PatientBirthDate": "19370821",
    "PatientAddress": "CANARY STREET 5",
    "PatientTelephoneNumbers": "+1 555 0142 77",
    "PatientComments": "CANARY-COMMENT",
    "AdditionalPatientHistory": "CANARY-HISTORY",
    "AccessionNumber": "CANARY-ACC-0815",
    "StudyID": "CANARY-STUDY",
    "StudyDate": "20310911",
    "StudyTime": "031415",
    "StudyDescription": "CANARY-DESCRIPTION",
    "SeriesDescription": "CANARY-SERIES",
    "ProtocolName": "CANARY-PROTOCOL",
    "ReferringPhysicianName": "CANARYDOCTOR^GREGORY",
    "PerformingPhysicianName": "CANARYREADER^ANN",
    "OperatorsName": "CANARYOPERATOR^BO",
    "InstitutionName": "CANARY HOSPITAL",
    "InstitutionAddress": "CANARY ROAD 9",
    "StationName": "CANARYSTATION",
    "DeviceSerialNumber": "CANARY-SN-123456",
    "StudyInstanceUID": "1.2.826.0.1.3680043.8.498.47110815",
}
#: Dates and times that the SUV factor needs; they may be in no output either.
TIMES = {
    "SeriesDate": "20310912",
    "SeriesTime": "115143",
    "AcquisitionDate": "20310912",
    "AcquisitionTime": "115143",
}
_INJECTED, _PRIVATE, _FOLDER = "095857", "CANARY-PRIVATE-VALUE", "CANARYNAME_JANE_19370821"
#: A DICOM Segmentation refers to these of its source; no other output may.
REFERENCES = {
    "SeriesInstanceUID": "1.2.826.0.1.3680043.8.498.66666",
    "FrameOfReferenceUID": "1.2.826.0.1.3680043.8.498.55555",
}
#: Names of the masks of all runs.
MASKS = ("m.seg.nrrd", "m.dcm", "m.nii.gz", "refused.nrrd")
#: Events of Python that a run must not cause.
WATCHED = (
    "socket.connect",
    "socket.bind",
    "socket.sendto",
    "socket.getaddrinfo",
    "socket.gethostbyname",
    "pickle.find_class",
)
#: How urllib3 asks whether the machine has IPv6; pydicom imports it if it is there. No connection follows.
_PROBE = ("::1", 0)
_HOOK = f"""
import sys
def watch(event, arguments):
    if event in {WATCHED!r} and arguments[-1] != {_PROBE!r}:
        sys.__stderr__.write(f"WATCHED {{event}} {{arguments!r}}\\n")
sys.addaudithook(watch)
"""


def private_series(parent: Path, weight: str = "75") -> Path:
    """Writes a PET series of 20^3 voxels of 4 mm, with identifiers everywhere, into a folder of a person's name."""
    folder = parent / _FOLDER
    folder.mkdir(parents=True)
    injection = pydicom.Dataset()
    injection.RadionuclideTotalDose, injection.RadionuclideHalfLife = 300e6, 6586
    injection.RadiopharmaceuticalStartTime = _INJECTED
    rng = np.random.default_rng(0)
    for k in range(20):
        tags = {
            "Rows": 20,
            "Columns": 20,
            "PixelSpacing": [4.0, 4.0],
            "Units": "BQML",
            "DecayCorrection": "START",
            "PatientWeight": weight,
            "NumberOfSlices": 25,  # so that reading warns
            "RadiopharmaceuticalInformationSequence": [injection],
            "PixelData": (rng.gamma(4.0, 0.25, (20, 20)) * 1000).astype(np.int16).tobytes(),
            "SOPInstanceUID": generate_uid(),
        }
        path = folder / f"CANARYNAME.{k:03}.dcm"
        write_slice(path, 4.0 * k, 0, 2.0, REFERENCES["SeriesInstanceUID"], **tags, **PERSON, **TIMES, **REFERENCES)
        dataset = pydicom.dcmread(path)
        dataset.private_block(0x0029, "CANARY CREATOR", create=True).add_new(0x10, "LO", _PRIVATE)
        dataset.save_as(path)
    return folder


def watched_run(code: str, folder: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Runs Python code in a process of its own; returns it, and the watched events."""
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", _HOOK + code, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=600)
    return done, re.findall(r"^WATCHED .*", done.stderr, re.MULTILINE)


def found_in(path: Path, wanted: Iterable[str]) -> list[str]:
    """Returns the texts that a file holds, also compressed, or in another encoding."""
    content = path.read_bytes()
    parts = [content, path.name.encode()]
    if path.suffix == ".gz":
        parts.append(gzip.decompress(content))
    for at in (match.start() for match in re.finditer(rb"zTXt|iTXt", content)):  # texts of a picture
        stream = re.search(rb"\x78[\x01\x5e\x9c\xda]", content[at : at + 200])
        if stream:
            parts.append(zlib.decompressobj().decompress(content[at + stream.start() :]))
    codes = ("utf-8", "utf-16-le", "utf-32-le")
    return [text for text in wanted if any(text.encode(code) in part for code in codes for part in parts)]


def insert_quietly(bundle: Path | str, parent: Path, masks: Iterable[str] = MASKS) -> dict:
    """Runs the command once for each mask's name; returns what was written, what leaked and what was opened.

    The series of the mask ``refused.nrrd`` has no weight, so it is refused.
    """
    series, bad = private_series(parent / "in"), private_series(parent / "bad", weight="")
    identifiers = [text for value in PERSON.values() for text in value.split("^") if len(text) > 3]
    identifiers += [*TIMES.values(), _INJECTED, _PRIVATE, "2031-09-1", "1937-08-21", "CANARY"]
    leaks: list[str] = []
    events: list[str] = []
    counts = {"runs": 0, "files": 0, "identifiers": len(identifiers)}
    for mask in masks:
        out = parent / mask.replace(".", "-")
        out.mkdir()
        source, status, count = (bad, 1, 0) if mask == "refused.nrrd" else (series, 0, 7)
        done, seen = _insert(bundle, source, mask, out)
        events += seen
        if done.returncode != status:
            leaks.append(f"exit status {done.returncode} with {mask}: {done.stderr[-300:]}")
        files = sorted(path.name for path in out.iterdir())
        if len(files) != count:
            leaks.append(f"{len(files)} files with {mask}: {files}")
        # Messages may name the file or folder that the user gave.
        log = (done.stdout + done.stderr).replace(str(source), "").replace(source.name, "")
        (out / "log.txt").write_text(log)
        counts["runs"] += 1
        counts["files"] += len(files) + 1
        for path in sorted(out.iterdir()):
            forbidden = [*identifiers, *(REFERENCES.values() if path.suffix != ".dcm" else ())]
            leaks += [f"{text} in {path.name} ({mask})" for text in found_in(path, forbidden)]
    return {**counts, "leaks": leaks, "connections and pickles": events}


def _insert(
    bundle: Path | str, source: Path, mask: str, out: Path
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    volume = ".nii.gz" if mask.endswith(".nii.gz") else ".nrrd"
    outputs = {"image": f"i{volume}", "mask": mask, "probability": f"p{volume}"}
    named = [text for what, name in outputs.items() for text in (f"--output-{what}", name)]
    options = ["--box=-28,-60,40,30,28,34", "--model", str(bundle), "--device", "cpu", "--seed", "5", "--json"]
    code = "import sys; from TumorGenCore.cli import main; sys.exit(main(sys.argv[1:]))"
    return watched_run(code, out, "insert", str(source), *options, *named, "--preview", "p.png")
