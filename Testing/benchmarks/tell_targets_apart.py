"""Can tumors with targets be told from real ones more easily than tumors without? The two-sample test for both.

    python Testing/benchmarks/tell_targets_apart.py --data DATA

Each box over the largest tumor of a training patient gets a tumor without targets, and one with SUVmax and volume of
the real tumor. A quarter of an hour.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from TumorGenCore.evaluation.patients import load_patients, patient_patterns
from TumorGenCore.evaluation.sites import Site, sites_of
from TumorGenCore.evaluation.two_sample.boxed import boxed
from TumorGenCore.evaluation.two_sample.comparison import two_sample_test
from TumorGenCore.evaluation.two_sample.text import two_sample_lines
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.lesions.measures import measure_images
from TumorGenCore.training.data.cases import case_files

#: Largest share of a box that is asked for; real tumors fill up to half of theirs.
_MOST_FILL = 0.3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with *_image.nii.gz and *_mask.nii.gz (SUV)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    generator = TumorGenerator.from_pretrained()
    files = case_files(options.data, generator.bundle.notes["cases"]["training"])
    cases = load_patients(options.data, sorted(files), patient_patterns(generator.bundle))
    sites = [site for case in cases for site in sites_of(case, healthy=0)]
    methods = {"no target": [], "SUVmax and volume of the real tumor": []}
    for site in sites:
        prepared = generator.prepare(site.image, site.box, suv_factor=1)
        for made, request in zip(methods.values(), (TumorRequest(), _as_real(site)), strict=True):
            tumor = generator.generate(prepared, request, seed=0)
            made.append(boxed(site, tumor.image, tumor.mask, 0))
    real = [boxed(site, site.image, site.real) for site in sites]
    print("\n".join(two_sample_lines(two_sample_test(real, methods))))


def _as_real(site: Site) -> TumorRequest:
    """Returns a request for SUVmax and volume of the real tumor."""
    measures = measure_images(site.image, site.real)
    return TumorRequest(suv_max=measures.suv_max, volume_ml=min(measures.volume_ml, _MOST_FILL * site.box.volume_ml))


if __name__ == "__main__":
    main()
