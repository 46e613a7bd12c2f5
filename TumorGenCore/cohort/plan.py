"""What a run will take and make, before it: time and disk from measured cases, and lesions drawn as the run draws them.

A plan writes nothing but temporary files. It measures and draws in a few scans, spread over the manifest.
"""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from TumorGenCore.cohort.histograms import Panel, draw_histograms
from TumorGenCore.cohort.left_out import reason_of
from TumorGenCore.cohort.maker import CaseMaker
from TumorGenCore.cohort.manifest import ManifestRow
from TumorGenCore.cohort.results import Made, Outcome, ResultFiles
from TumorGenCore.cohort.scan import Scan
from TumorGenCore.errors import ManifestError
from TumorGenCore.insertion.placed import place_box, tissue_suv
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.resolved import resolved
from TumorGenCore.insertion.told import noise_seed, reached_for, told
from TumorGenCore.lesions.ball import ball_diameter_mm
from TumorGenCore.volumes.geometry import Box

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["Lesion", "Plan", "draw_plan", "make_plan"]

#: Scans whose cases are measured, scans in which lesions are drawn, and results drawn in all.
_MEASURED, _SCANS, _DRAWN = 3, 12, 240


@dataclass(frozen=True)
class Lesion:
    """A lesion as the run will ask the model for it.

    Args:
        place: organ, or what the row names instead.
        diameter_mm: diameter of a ball with the volume that the model is told; smaller ones grow a little smaller.
        suv_max: SUVmax that it gets; NaN where the user asks for another measure, or leaves it to the model.
    """

    place: str
    diameter_mm: float
    suv_max: float


@dataclass(frozen=True)
class Plan:
    """What a run will take and make.

    Args:
        results: number of results.
        measured: number of results that were made on trial.
        hours: with all workers.
        gigabytes: of the results on the disk.
        workers: number of workers.
        drawn_results: number of results whose lesions were drawn.
        lesions: the lesions of these results.
        unusable: rows among those tried that cannot be used, each with its reason.
    """

    results: int
    measured: int
    hours: float
    gigabytes: float
    workers: int
    drawn_results: int
    lesions: tuple[Lesion, ...]
    unusable: dict[str, str]

    @property
    def places(self) -> dict[str, int]:
        """Number of drawn lesions at each place, the most frequent first."""
        return dict(Counter(lesion.place for lesion in self.lesions).most_common())

    def values(self, name: str) -> NDArray[np.float64]:
        """Returns ``diameter_mm`` or ``suv_max`` of the lesions where it is known."""
        values = np.array([getattr(lesion, name) for lesion in self.lesions])
        return values[np.isfinite(values)]


def make_plan(
    generator: TumorGenerator,
    rows: Sequence[ManifestRow],
    usual: TumorRequest,
    workers: int,
    tell: Callable[[str], None] = lambda _: None,
) -> Plan:
    """Measures some results of a manifest, and draws lesions of more.

    Args:
        generator: generator of the tumors.
        rows: rows of the manifest.
        usual: steps, solver and least quality for rows that do not give them.
        workers: number of workers of the run.
        tell: called with a line about the progress.

    Raises:
        ManifestError: none of the scans tried can be used.
        OSError: there is no room for temporary files.
    """
    rows = [replace(row, request=row.request.or_else(usual)) for row in rows]
    unusable: dict[str, str] = {}
    generator.warm_up()
    times = [_measure(generator, row, unusable, tell) for row in _spread(rows, _MEASURED)]
    good = np.array([each for each in times if each is not None])
    if not len(good):
        name, reason = next(iter(unusable.items()))
        raise ManifestError(f"None of the {len(times)} rows tried can be used. {name}: {reason}")
    reading, making, size = good.mean(axis=0)
    results = sum(len(row.seeds) for row in rows)
    scans = _spread(rows, _SCANS)
    lesions: list[Lesion] = []
    drawn = 0
    for n, row in enumerate(scans, 1):
        tell(f"draws lesions in scan {n} of {len(scans)}")
        seeds = _spread(row.seeds, max(1, _DRAWN // len(scans)))
        try:
            scan = Scan(generator, row)
            lesions += [lesion for seed in seeds for lesion in _drawn(generator, scan, seed)]
            drawn += len(seeds)
        except Exception as error:
            unusable[row.name] = reason_of(error, row)
    return Plan(
        results=results,
        measured=len(good),
        hours=(reading * len(rows) + making * results) / workers / 3600,
        gigabytes=size * results / 1e9,
        workers=workers,
        drawn_results=drawn,
        lesions=tuple(lesions),
        unusable=unusable,
    )


def draw_plan(plan: Plan, path: Path) -> None:
    """Writes a PNG with histograms of the sizes and uptakes that were drawn.

    Raises:
        OSError: the file cannot be written.
    """
    panels = [
        Panel("diameter of a ball of the volume, mm", plan.values("diameter_mm"), is_log=True),
        Panel("SUVmax", plan.values("suv_max"), is_log=True),
    ]
    title = f"{len(plan.lesions)} lesions, drawn for {plan.drawn_results} of {plan.results} results"
    draw_histograms(title, panels, path, plan.places)


def _spread(items: Sequence, count: int) -> list:
    """Returns at most ``count`` items, evenly spread."""
    return [items[n] for n in np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).astype(int))]


def _measure(
    generator: TumorGenerator, row: ManifestRow, unusable: dict[str, str], tell: Callable[[str], None]
) -> tuple[float, float, int] | None:
    """Returns seconds for reading a row, seconds for a result, and its bytes; None if the row cannot be used."""
    tell(f"makes a result of {row.name} on trial")
    with tempfile.TemporaryDirectory() as name:
        kept: list[Made] = []
        maker = CaseMaker(generator, Path(name))
        begun = time.perf_counter()
        try:
            maker.read(row)
            read = time.perf_counter()
            maker.make(row, row.seeds[0], kept.append)
        except Exception as error:
            kept.append(Made(Outcome(row.name, (row.seeds[0],), reason=reason_of(error, row))))
        made = time.perf_counter()
        if kept[0].outcome.record is None:
            unusable[row.name] = kept[0].outcome.reason
            return None
        paths = ResultFiles.of((row.name, row.seeds[0]), Path(name)).paths
        return read - begun, made - read, sum(path.stat().st_size for path in paths)


def _drawn(generator: TumorGenerator, scan: Scan, seed: int) -> Iterator[Lesion]:
    """Yields the lesions of a result as the run will ask for them."""
    bundle = generator.bundle
    for box in scan.boxes(seed):
        placed = place_box(scan.volume, box, bundle.patch)
        tissue = tissue_suv(placed.sampled_suv(), placed.patch.box_coverage())
        targets = resolved(scan.read.request, tissue, placed.box)
        controls = told(bundle, targets, noise_seed(seed, placed.box), tissue, placed.box)
        reached = reached_for(bundle, targets, controls)
        suv_max = reached.suv if reached is not None and reached.measure == "max" else float("nan")
        volume_ml = (controls.fill or float("nan")) * float(np.prod(box.size_mm)) / 1000
        yield Lesion(_place(scan.row, box), ball_diameter_mm(volume_ml), suv_max)


def _place(row: ManifestRow, box: Box) -> str:
    if row.organ is not None:
        return row.organ.name
    if row.box is not None:
        return "given box"
    return "anywhere in the body" if row.region is None else "region"
