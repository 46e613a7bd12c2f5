"""`tumorgen judge-shapes`: can masks of synthetic tumors be told from shapes of the field that no network learned from?

Around each judging shape of a library, BA-PMG draws a box, which is moved into healthy tissue: of lungs, or of other
places. There the generator grows a tumor twice: as it is drawn, and with the fill of the box that the shape has. Both
masks lie on the voxels of the shape's own scan. The floor is the same test between judging and training shapes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from TumorGenCore.errors import TrainingDataError
from TumorGenCore.evaluation.features.resampling import LEAST_LESIONS
from TumorGenCore.evaluation.report_files import write_report
from TumorGenCore.evaluation.statistics import quantiles
from TumorGenCore.evaluation.studies.shape_sites import (
    KINDS,
    LEAST_ML,
    MOST_ML,
    Host,
    ShapeSite,
    drawn_box,
    field_shapes,
    phantom_hosts,
    scan_hosts,
    shape_site,
)
from TumorGenCore.evaluation.studies.shapes_judged_text import (
    ASKED,
    DRAWN,
    JUDGING,
    SAMPLES,
    TRAINING,
    save_distributions,
    save_masks,
    shapes_text,
)
from TumorGenCore.evaluation.two_sample.mask_test import MaskRow, compared, mask_row, spread_of
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.lesions.avid_part import largest_piece
from TumorGenCore.training.data.shape_library import Shape

__all__ = ["judge_shapes"]

#: Number of phantoms for each tissue, and of scans; tissues of the phantoms that are not lung.
PHANTOMS, SCANS = 3, 3
OTHER_TISSUES = ("fat", "muscle", "mediastinum", "visceral fat", "liver")
#: A line of progress after so many boxes.
_TOLD_EACH = 20


#: Parts of each test, with the least volume of their shapes, ml: faults of large tumors are others.
SIZES = {"": 0.0, ", from 20 ml": 20.0}


@dataclass(frozen=True)
class _Grown:
    """A shape's place and, by sample, the masks there, (k, j, i) on the voxels of the shape, and their rows."""

    site: ShapeSite
    masks: dict[str, list[NDArray[np.bool_]]]
    rows: dict[str, list[MaskRow]]


def judge_shapes(
    generator: TumorGenerator,
    data: Path,
    output: Path,
    shapes: Path | None = None,
    seeds: int = 1,
    on_progress: Callable[[str], None] | None = None,
) -> dict:
    """Grows tumors in a box around each judging shape and writes ``report.json``, ``report.md`` and two pictures.

    Args:
        generator: the bundle on its device.
        data: folder with scans, whose healthy tissue is used; those that the bundle holds out are left alone.
        output: folder of the report.
        shapes: folder of the shape library; None is ``shapes`` in ``data``.
        seeds: number of tumors for each box.
        on_progress: called with a line per part.

    Returns:
        The content of ``report.json``.

    Raises:
        TrainingDataError: there is no library, or it has too few judging patients.
    """
    tell = on_progress or (lambda line: None)
    folder = data / "shapes" if shapes is None else shapes
    judging, training = field_shapes(folder, "judging"), field_shapes(folder, "training")
    kinds = [kind for kind in KINDS if len({shape.patient for shape in judging[kind]}) >= LEAST_LESIONS]
    if not kinds:
        raise TrainingDataError(
            f"No set of {folder.name} has {LEAST_LESIONS} judging patients with shapes of {LEAST_ML:g} to {MOST_ML:g} "
            f"ml; it needs {' or '.join(KINDS)} with about {4 * LEAST_LESIONS} patients."
        )
    hosts = _hosts(data, generator.bundle.notes.get("cases", {}).get("validation", ()))
    tell(f"tissue of {', '.join(host.name for some in hosts.values() for host in some)}")
    output.mkdir(parents=True, exist_ok=True)
    samples: dict[str, dict[str, list[MaskRow]]] = {}
    shown = {}
    for kind in kinds:
        known = _training_rows(training[kind], generator)
        for tissue in KINDS[kind]:
            name = f"{kind} in {tissue}"
            grown = _grown(generator, judging[kind], hosts[tissue], seeds, partial(_tell, tell, name))
            shown[name] = [([some[0] for some in one.masks.values()], one.site.shape.spacing_mm) for one in grown]
            samples |= {name + size: _samples(grown, known, least_ml) for size, least_ml in SIZES.items()}
    samples = {name: some for name, some in samples.items() if _patients(some.get(JUDGING, ())) >= LEAST_LESIONS}
    tests = [{"name": name, **_tested(some)} for name, some in samples.items()]
    report = {
        "bundle": generator.bundle.name,
        "bundle_sha256": generator.bundle.bundle_hash,
        "seeds": list(range(seeds)),
        "limits_ml": [LEAST_ML, MOST_ML],
        "hosts": {tissue: [host.name for host in some] for tissue, some in hosts.items()},
        "tests": tests,
    }
    pictures = {"distributions.png": partial(save_distributions, samples), "masks.png": partial(save_masks, shown)}
    write_report(output, report, shapes_text(report), pictures)
    return report


def _tell(tell: Callable[[str], None], name: str, line: str) -> None:
    tell(f"{name}: {line}")


def _patients(rows: Sequence[MaskRow]) -> int:
    return len({row["patient"] for row in rows})


def _hosts(data: Path, held_out: Sequence[str]) -> dict[str, list[Host]]:
    lungs, others = zip(*(phantom_hosts(seed, ("lung",), OTHER_TISSUES) for seed in range(PHANTOMS)), strict=True)
    return {"lung": list(lungs), "other tissue": [*others, *scan_hosts(data, held_out, SCANS)]}


def _training_rows(shapes: Sequence[Shape], generator: TumorGenerator) -> list[MaskRow]:
    rows = []
    for n, shape in enumerate(shapes):
        box = drawn_box(shape, generator.bundle.patch, np.random.default_rng([1, n]))
        rows.append(mask_row(shape.patient, shape.mask, shape.spacing_mm, box))
    return rows


def _grown(
    generator: TumorGenerator,
    shapes: Sequence[Shape],
    hosts: Sequence[Host],
    seeds: int,
    tell: Callable[[str], None],
) -> list[_Grown]:
    grown = []
    for n, shape in enumerate(shapes):
        rng = np.random.default_rng([0, n])
        box = drawn_box(shape, generator.bundle.patch, rng)
        site = shape_site(shape, box, hosts[n % len(hosts)], rng)
        prepared = generator.prepare(site.image, site.box, suv_factor=1)
        requests = {DRAWN: TumorRequest()}
        if generator.bundle.vector_field.control_channels:
            requests[ASKED] = TumorRequest(fill=shape.volume_ml / box.volume_ml)
        masks = {JUDGING: [site.real]}
        for mode, request in requests.items():
            tumors = generator.generate_many(prepared, request, seeds=range(seeds))
            # Shapes of a library are one piece each.
            masks[mode] = [largest_piece(sitk.GetArrayFromImage(tumor.mask) > 0) for tumor in tumors]
        rows = {
            name: [mask_row(shape.patient, mask, shape.spacing_mm, site.box) for mask in some]
            for name, some in masks.items()
        }
        grown.append(_Grown(site, masks, rows))
        if (n + 1) % _TOLD_EACH == 0:
            tell(f"{n + 1} of {len(shapes)} boxes")
    return grown


def _samples(grown: Sequence[_Grown], known: Sequence[MaskRow], least_ml: float) -> dict[str, list[MaskRow]]:
    """Returns the rows of each sample, of shapes of at least this volume and of the tumors in their boxes."""
    here = [one for one in grown if one.site.shape.volume_ml >= least_ml]
    samples = {name: [row for one in here for row in one.rows.get(name, ())] for name in SAMPLES}
    samples[TRAINING] = [row for row in known if float(row["volume_ml"]) >= least_ml]
    return {name: samples[name] for name in SAMPLES if samples[name]}


def _tested(rows: Mapping[str, Sequence[MaskRow]]) -> dict:
    real, known = rows[JUDGING], rows.get(TRAINING)
    tested: dict = {
        "lesions": len(real),
        "patients": _patients(real),
        "volume_ml": quantiles([float(row["volume_ml"]) for row in real]),
        "floor": compared(real, known) if known else None,
        "features": {name: spread_of(some, None if name == JUDGING else real) for name, some in rows.items()},
        "modes": {},
    }
    for mode in (mode for mode in (DRAWN, ASKED) if mode in rows):
        some, each = rows[mode], len(rows[mode]) // len(real)
        volumes = [float(one["volume_ml"]) / float(real[n // each]["volume_ml"]) for n, one in enumerate(some)]
        tested["modes"][mode] = {
            **compared(real, some),
            "none_grew": sum(volume == 0 for volume in volumes),
            "volume_over_real": quantiles(volumes),
        }
    return tested
