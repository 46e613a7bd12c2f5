"""The insertion of the headless script: reads a scan, inserts tumors into the scene, and writes them to files."""

from __future__ import annotations

import argparse
import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.console.arguments import asked_box, asked_seeds, tumor_request
from TumorGenCore.console.report import Report
from TumorGenCore.console.running import FACTOR_REMEDY
from TumorGenCore.console.timing import Timing
from TumorGenCore.console.variants import describe_variant, say_variants
from TumorGenCore.errors import VolumeWarning
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.provenance_file import provenance_path
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.safe_write import all_or_none, check_folder, check_space
from TumorGenCore.volumes.suffixes import READABLE_SUFFIXES, known_suffix
from TumorGenCore.volumes.volume import PetVolume
from TumorGenCore.volumes.write import estimated_size, write_segmentation, write_volume
from TumorGenSlicerLib.headless.outputs import checkFolder, checkJson, existing, newFolder
from TumorGenSlicerLib.headless.scene import requireScene
from TumorGenSlicerLib.run.dependencies import ensureDependencies
from TumorGenSlicerLib.run.logic import InsertionLogic, Variant
from TumorGenSlicerLib.scene.geometry import addBoxNode, addVolumeNode, boxInRas, voxelArray
from TumorGenSlicerLib.scene.result_nodes import removeNodes, tumorMask
from TumorGenSlicerLib.scene.units import setRemarks, setUnits

if TYPE_CHECKING:
    from TumorGenCore.insertion.request import TumorRequest

__all__ = ["insert"]


def insert(options: argparse.Namespace, report: Report) -> None:
    """Inserts one variant per seed and writes them to ``options.output``: all files or none.

    Args:
        options: parsed options of the script.
        report: gets the variants as values and as lines, and the warnings.

    Raises:
        TumorGenError, OSError: the files, the box or the request cannot be used; nothing is written.
    """
    checkJson(options, [path for path in (options.input, options.roi) if path])
    request, seeds = tumor_request(options), asked_seeds(options)
    output, stem = options.output.resolve(), _stem(options.input)
    checkFolder(output, options.input.resolve())
    check_folder(existing(output) / f"{stem}_seed{seeds[-1]}_image.provenance.json")
    box = asked_box(options)
    ensureDependencies(prompt=False)
    timing = Timing()
    with timing.part("read"), warnings.catch_warnings():
        warnings.simplefilter("ignore", VolumeWarning)  # The volume has them as remarks, which the logic gives.
        volume = read_volume(options.input, options.suv_factor)
    check_space({existing(output) / stem: len(seeds) * estimated_size(volume.image, "image.nrrd")})
    with _nodes(volume, box, stem) as (logic, volumeNode, roiNode):
        with timing.part("insert"):
            variants = _drawn(logic, volumeNode, roiNode, seeds, request, options, report)
        for line in (line for variant in variants for line in variant.warnings):
            report.warn(line)
        with timing.part("write"):
            files = _write(variants, volume, output, stem, report)
    report.values = {
        "seconds": timing.seconds,
        "variants": [describe_variant(variant.summary, paths) for variant, paths in zip(variants, files, strict=True)],
    }
    say_variants(report)


@contextlib.contextmanager
def _nodes(volume: PetVolume, box: Box, name: str) -> Iterator[tuple[InsertionLogic, Any, Any]]:
    """Yields a logic, the node of the scan and that of the box; at the end the scene is as before, without results."""
    scene = requireScene()
    logic = InsertionLogic(scene)
    logic.factorRemedy = FACTOR_REMEDY
    nodes = []
    try:
        nodes.append(addVolumeNode(scene, name, volume.image))
        setUnits(nodes[0], volume.units)
        setRemarks(nodes[0], volume.remarks)
        nodes.append(addBoxNode(scene, "Box", *boxInRas(box)))
        yield logic, *nodes
    finally:
        for variant in logic.results:
            logic.removeVariant(variant)
        removeNodes(scene, nodes)


def _drawn(
    logic: InsertionLogic,
    volumeNode: Any,
    roiNode: Any,
    seeds: Sequence[int],
    request: TumorRequest,
    options: argparse.Namespace,
    report: Report,
) -> list[Variant]:
    """Inserts one variant per seed into the scene; returns them, the best first."""
    for line in logic.warnings(volumeNode, [roiNode], request, model=options.model):
        report.warn(line)
    return logic.insertTumors(
        volumeNode,
        [roiNode],
        request,
        seeds=seeds,
        model=options.model,
        device=options.device,
        onProgress=lambda progress: report.progress(progress.stepsDone, progress.stepsInAll, progress.text),
    )


def _write(variants: Sequence[Variant], volume: PetVolume, output: Path, stem: str, report: Report) -> list[list[Path]]:
    """Writes all files or none, the mask of a variant before its image."""
    grid = Grid.from_image(volume.image)
    written = []
    with newFolder(output), all_or_none():
        for variant in variants:
            image = output / f"{stem}_seed{variant.seed}_image.nrrd"
            mask = output / f"{stem}_seed{variant.seed}_mask.seg.nrrd"
            write_segmentation(grid.image_from_array(tumorMask(variant)), mask, provenance=variant.provenance)
            write_volume(grid.image_from_array(voxelArray(variant.volumeNode)), image, variant.provenance)
            written.append([image, mask, provenance_path(image), provenance_path(mask)])
            report.interrupted.stop()
    return written


def _stem(path: Path) -> str:
    name = path.resolve().name
    return name[: len(name) - len(known_suffix(Path(name), READABLE_SUFFIXES) or "")]
