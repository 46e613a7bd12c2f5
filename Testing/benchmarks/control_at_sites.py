"""Asks for every target at 40 healthy places in patients that the bundle did not learn from.

    python Testing/benchmarks/control_at_sites.py --data DATA

`tumorgen evaluate` does the same at fewer places. Ten to twenty minutes.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from TumorGenCore.evaluation.patients import load_patients, patient_patterns
from TumorGenCore.evaluation.sites import sites_of
from TumorGenCore.evaluation.themes.control import control_lines, measure_control
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.training.data.cases import case_files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with *_image.nii.gz and *_mask.nii.gz (SUV)")
    parser.add_argument("--sites", type=int, default=40, help="number of places (default: 40)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    generator = TumorGenerator.from_pretrained()
    held_out = generator.bundle.notes["cases"]["validation"]
    cases = load_patients(options.data, sorted(case_files(options.data, held_out)), patient_patterns(generator.bundle))
    each = -(-options.sites // len(cases))
    sites = [site for case in cases for site in sites_of(case, healthy=each) if site.group == "healthy"]
    print("\n".join(control_lines(measure_control(generator, sites[: options.sites]))))


if __name__ == "__main__":
    main()
