"""Gives exports of a small cohort to the tools that they are for: do nnU-Net, BIDS, Croissant and MONAI take them?

    make export-peers

Needs an environment with nnU-Net, which ``make export-peers`` builds (2 GB). Ends with 1 if anything differs. The
figures go to docs/soak.md by hand.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import mlcroissant
import SimpleITK as sitk
from monai.data import load_decathlon_datalist
from monai.transforms import LoadImaged

from TumorGenCore.cli import main as tumorgen
from TumorGenCore.cohort.exports.export import export_cohort
from TumorGenCore.cohort.exports.request import ExportRequest
from TumorGenCore.version import software_version

#: Prints channels and tumor voxels of a case that nnU-Net has prepared.
_PREPARED = """\
import json, sys, blosc2
found = {}
for path in sys.argv[1:]:
    image, mask = (blosc2.open(path + end, mode="r")[:] for end in (".b2nd", "_seg.b2nd"))
    found[path] = [image.shape[0], int((mask == 1).sum())]
print(json.dumps(found))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nnunet", type=Path, required=True, help="folder of the environment that has nnU-Net")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made = _make_cohort(folder)
        figures: dict[str, Any] = {"TumorGen": software_version(), "results": len(list(made.glob("*_image.nii.gz")))}
        wrong = []
        for with_ct in (True, False):
            title = f"nnU-Net {'with' if with_ct else 'without'} CT"
            figures[title] = _nnunet(made, folder, options.nnunet, with_ct, wrong)
            for form, check in (("bids", _bids), ("croissant", _croissant), ("monai", _monai)):
                output = folder / f"{form}-{with_ct}"
                export_cohort(made, output, form, ExportRequest(with_ct=with_ct))
                found = figures[f"{form} {'with' if with_ct else 'without'} CT"] = check(output)
                wrong += [form] * any(found.get(key) for key in ("errors", "different"))
    figures["wrong"] = wrong
    print(json.dumps(figures, indent=1))
    return int(bool(wrong))


def _make_cohort(folder: Path) -> Path:
    """Makes two results each of two phantoms; the CT of the second has larger voxels than its PET."""
    for seed, name in enumerate("ab", start=1):
        assert tumorgen(["phantom", str(folder / f"{name}.nii.gz"), "--seed", str(seed), "--quiet"]) == 0
        pet = sitk.ReadImage(str(folder / f"{name}.nii.gz"))
        body = sitk.Cast(pet > 0.2, sitk.sitkFloat32)
        ct = sitk.Cast(sitk.Clamp(body * 1000 + pet * 20 - 1000, upperBound=1500), sitk.sitkInt16)
        if name == "b":
            size = [int(n / 1.4) for n in pet.GetSize()]
            spacing = [1.4 * edge for edge in pet.GetSpacing()]
            place = pet.GetOrigin(), spacing, pet.GetDirection()
            ct = sitk.Resample(ct, size, sitk.Transform(), sitk.sitkLinear, *place, -1000)
        sitk.WriteImage(ct, str(folder / f"{name}_ct.nii.gz"))
    (folder / "manifest.csv").write_text(
        "image,name,count,tumors,suv_factor,ct\na.nii.gz,a,2,1,1,a_ct.nii.gz\nb.nii.gz,b,2,2,1,b_ct.nii.gz\n"
    )
    command = ["synthesize", str(folder / "manifest.csv"), "--output", str(folder / "made"), "--quiet"]
    assert tumorgen(command) == 0
    return folder / "made"


def _nnunet(made: Path, folder: Path, environment: Path, with_ct: bool, wrong: list[str]) -> dict[str, Any]:
    """Lets nnU-Net verify, plan and prepare a data set, and compares what it made of it."""
    raw, prepared = folder / f"raw-{with_ct}", folder / f"prepared-{with_ct}"
    exported = export_cohort(made, raw, "nnunet", ExportRequest(with_ct=with_ct)).folder
    prepared.mkdir()
    places = {"nnUNet_raw": str(raw), "nnUNet_preprocessed": str(prepared), "nnUNet_results": str(prepared)}
    options = ["-d", "501", "--verify_dataset_integrity", "-c", "3d_fullres", "-np", "1", "-npfp", "1"]
    seconds = -time.monotonic()
    done = subprocess.run(
        [environment / "bin" / "nnUNetv2_plan_and_preprocess", *options],
        env={**os.environ, **places, "nnUNet_def_n_proc": "1"},
        capture_output=True,
        text=True,
    )
    seconds += time.monotonic()
    if done.returncode:
        wrong.append("nnU-Net")
        return {"status": done.returncode, "says": (done.stdout + done.stderr)[-2000:]}
    inside = prepared / exported.name
    masks = {path.name.removesuffix(".nii.gz"): path for path in sorted((exported / "labelsTr").iterdir())}
    stems = [str(inside / "nnUNetPlans_3d_fullres" / name) for name in masks]
    shown = subprocess.run(
        [environment / "bin" / "python", "-c", _PREPARED, *stems], capture_output=True, text=True, check=True
    )
    found = json.loads(shown.stdout)
    counts = [int((sitk.GetArrayViewFromImage(sitk.ReadImage(str(path))) == 1).sum()) for path in masks.values()]
    splits = [json.loads((place / "splits_final.json").read_text()) for place in (exported, inside)]
    figures = {
        "verify_dataset_integrity": "no error" if "verify_dataset_integrity Done" in done.stdout else "not run",
        "cases prepared": len(found),
        "channels": sorted({channels for channels, _ in found.values()}),
        "scaling": json.loads((inside / "nnUNetPlans.json").read_text())["configurations"]["3d_fullres"][
            "normalization_schemes"
        ],
        "tumor voxels": sum(counts),
        "tumor voxels after the preparation": sum(voxels for _, voxels in found.values()),
        "splits_final.json taken over": splits[0] == splits[1],
        "warnings of nnU-Net": done.stdout.lower().count("warning"),
        "seconds": round(seconds),
    }
    same = figures["tumor voxels"] == figures["tumor voxels after the preparation"]
    if not (same and figures["splits_final.json taken over"] and figures["channels"] == [1 + with_ct]):
        wrong.append("nnU-Net")
    return figures


def _bids(folder: Path) -> dict[str, Any]:
    program = Path(sys.executable).with_name("bids-validator-deno")
    done = subprocess.run([program, "--format", "json", folder], capture_output=True, text=True)
    found = json.loads(done.stdout)
    issues = found["issues"]["issues"]
    return {
        "files": found["summary"]["totalFiles"],
        "errors": [issue["code"] for issue in issues if issue["severity"] == "error"],
        "warnings": sorted({issue["code"] for issue in issues if issue["severity"] == "warning"}),
    }


def _croissant(folder: Path) -> dict[str, Any]:
    dataset = mlcroissant.Dataset(jsonld=folder / "croissant.json")
    issues = dataset.metadata.ctx.issues
    records = {name: len(list(dataset.records(name))) for name in ("results", "lesions")}
    return {**records, "errors": list(issues.errors), "warnings": list(issues.warnings)}


def _monai(folder: Path) -> dict[str, Any]:
    """Loads both sides of the first fold; counts the items whose mask does not lie on their image."""
    load = LoadImaged(keys=["image", "label"], ensure_channel_first=True)
    path = folder / "datalist_0.json"
    items = [item for key in ("training", "validation") for item in load_decathlon_datalist(path, True, key)]
    loaded = [load(item) for item in items]
    different = sum(one["image"].shape[1:] != one["label"].shape[1:] for one in loaded)
    return {"items": len(items), "channels": sorted({one["image"].shape[0] for one in loaded}), "different": different}


if __name__ == "__main__":
    sys.exit(main())
