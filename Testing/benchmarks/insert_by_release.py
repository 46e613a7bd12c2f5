"""Inserts tumors with a former release, for `tumorgen tell-apart --tumors`.

    python Testing/benchmarks/insert_by_release.py COMMIT --data DATA --output TUMORS
    tumorgen tell-apart DATA --patients all --tumors "0.4.1=TUMORS" --output REPORT

Checks out the commit beside the repository, for a moment, and runs its own code with its own bundle in the boxes that
`tell-apart` uses: one over the largest tumor of each patient of the bundle. It works with releases from 0.4.0 on.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import SimpleITK as sitk

from TumorGenCore.bundle.model_bundle import load_bundle
from TumorGenCore.evaluation.patients import load_patients, patient_patterns
from TumorGenCore.evaluation.rivals.from_folder import site_file
from TumorGenCore.evaluation.sites import sites_of
from TumorGenCore.training.data.cases import case_files

REPOSITORY = Path(__file__).resolve().parents[2]

#: What runs with the former code. Its requests have other names than today's, so it uses defaults only.
_FORMER = """
import json, sys
from pathlib import Path
import SimpleITK as sitk
from TumorGenCore.generator import TumorGenerator
from TumorGenCore.geometry import Box
work = Path(sys.argv[1])
generator = TumorGenerator.from_pretrained(sys.argv[2], "cpu")
for order in json.loads((work / "orders.json").read_text()):
    image = sitk.ReadImage(str(work / order["image"]))
    prepared = generator.prepare(image, Box(tuple(order["center"]), tuple(order["size"])), suv_factor=1)
    for seed, result in zip(order["seeds"], generator.generate_many(prepared, seeds=order["seeds"])):
        for kind, image in ("image", result.image), ("mask", result.mask):
            sitk.WriteImage(image, order["files"].format(seed=seed, kind=kind))
    print(order["name"], flush=True)
"""


def main() -> None:
    """Writes image and mask of each tumor into the output folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("commit", help="commit or tag of the release")
    parser.add_argument("--data", type=Path, required=True, help="folder with the patients of the bundle")
    parser.add_argument("--model", default="pet-fdg-v2", help="bundle, in both releases (default: %(default)s)")
    parser.add_argument("--seeds", type=int, default=2, help="seeds for each box (default: %(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="folder for images and masks")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    bundle = load_bundle(options.model)
    patients = [name for some in bundle.notes["cases"].values() for name in some]
    cases = load_patients(options.data, sorted(case_files(options.data, patients)), patient_patterns(bundle))
    sites = [site for case in cases for site in sites_of(case, healthy=0)]
    with tempfile.TemporaryDirectory() as folder:
        work, code = Path(folder), Path(folder) / "code"
        orders = []
        for site in sites:
            orders.append(
                {
                    "name": site.name,
                    "image": f"{site.name}.nii.gz",
                    "center": list(site.box.center_lps),
                    "size": list(site.box.size_mm),
                    "seeds": list(range(options.seeds)),
                    "files": _files(options.output.resolve(), site.name),
                }
            )
            sitk.WriteImage(site.image, str(work / f"{site.name}.nii.gz"))
        (work / "orders.json").write_text(json.dumps(orders))
        git = ["git", "-C", str(REPOSITORY), "worktree"]
        subprocess.run([*git, "add", "--detach", str(code), options.commit], check=True, capture_output=True)
        try:
            command = [sys.executable, "-c", _FORMER, str(work), options.model]
            subprocess.run(command, check=True, cwd=code, env={**os.environ, "PYTHONPATH": str(code)})
        finally:
            subprocess.run([*git, "remove", "--force", str(code)], check=True, capture_output=True)


def _files(output: Path, site: str) -> str:
    """Pattern of the files of a site, with ``{seed}`` and ``{kind}``."""
    return str(site_file(output, site, 7, "KIND")).replace("seed7", "seed{seed}").replace("KIND", "{kind}")


if __name__ == "__main__":
    main()
