"""The insertion of the headless script: reads a scan, inserts tumors into the scene, and writes them to files."""

from __future__ import annotations

import argparse
import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from TumorGenCore.console.arguments import asked_box, asked_organ, asked_reference, asked_seeds, tumor_request
from TumorGenCore.console.report import Report
from TumorGenCore.console.running import FACTOR_REMEDY
from TumorGenCore.console.study_outputs import StudyOutputs
from TumorGenCore.console.timing import Timing
from TumorGenCore.console.truth_outputs import TruthOutputs
from TumorGenCore.console.variants import describe_variant, say_variants
from TumorGenCore.errors import VolumeWarning
from TumorGenCore.volumes.geometry import Box, Grid
from TumorGenCore.volumes.provenance_file import provenance_path
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.safe_write import all_or_none, check_folder, check_space, make_folder
from TumorGenCore.volumes.suffixes import READABLE_SUFFIXES, known_suffix
from TumorGenCore.volumes.volume import PetVolume
from TumorGenCore.volumes.write import estimated_size, write_segmentation, write_volume
from TumorGenSlicerLib.headless.outputs import Changed, checkFolder, checkJson, checkMore, existing
from TumorGenSlicerLib.headless.scene import requireScene
from TumorGenSlicerLib.run.dependencies import ensureDependencies
from TumorGenSlicerLib.run.logic import InsertionLogic, Variant
from TumorGenSlicerLib.scene.geometry import addBoxNode, addVolumeNode, boxInRas, voxelArray
from TumorGenSlicerLib.scene.result_nodes import removeNodes, tumorMask, tumorMasks
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
    request, reference, seeds = tumor_request(options), asked_reference(options), asked_seeds(options)
    organ = asked_organ(options)
    output, stem = options.output.resolve(), _stem(options.input)
    checkFolder(output, options.input.resolve())
    check_folder(existing(output) / f"{stem}_seed{seeds[-1]}_image.provenance.json")
    read = [path for path in (options.input, options.roi, reference and reference.file, options.labels) if path]
    more = TruthOutputs.of(options, read, has_seeds=options.variants > 1)
    results = [path for seed in seeds for path in _paths(output, stem, seed)]
    checkJson(options, [*read, *checkMore(more, seeds, output, results)])
    study = StudyOutputs.of(options, options.input, has_seeds=options.variants > 1)
    boxes = [] if organ else [asked_box(options)]
    ensureDependencies(prompt=False, more=("highdicom",) if study.folder else ())
    study.check(read, results)
    timing = Timing()
    with timing.part("read"), warnings.catch_warnings():
        warnings.simplefilter("ignore", VolumeWarning)  # The volume has them as remarks, which the logic gives.
        volume = read_volume(options.input, options.suv_factor)
    if reference is not None:
        request = reference.asked(request, volume)
    if organ is not None:
        boxes = organ.boxes(volume, request, options.seed)
        report.say(f"Boxes in {organ.name}: {len(boxes)}")
    for line in more.warnings(volume):
        report.warn(line)
    check_space({existing(output) / stem: len(seeds) * estimated_size(volume.image, "image.nrrd")})
    with _nodes(volume, boxes, stem) as (logic, volumeNode, roiNodes):
        with timing.part("insert"):
            variants = _drawn(logic, volumeNode, roiNodes, seeds, request, options, report)
        for line in (line for variant in variants for line in variant.warnings):
            report.warn(line)
        with timing.part("write"):
            files = _write(variants, volume, output, stem, more, study, report)
    report.values = {
        "seconds": timing.seconds,
        "variants": [describe_variant(variant.summary, paths) for variant, paths in zip(variants, files, strict=True)],
    }
    more.tell(report)
    say_variants(report)


@contextlib.contextmanager
def _nodes(volume: PetVolume, boxes: Sequence[Box], name: str) -> Iterator[tuple[InsertionLogic, Any, list[Any]]]:
    """Yields a logic, the node of the scan and those of the boxes; then the scene is as before, without results."""
    scene = requireScene()
    logic = InsertionLogic(scene)
    logic.factorRemedy = FACTOR_REMEDY
    nodes = []
    try:
        nodes.append(addVolumeNode(scene, name, volume.image))
        setUnits(nodes[0], volume.units)
        setRemarks(nodes[0], volume.remarks)
        nodes += [addBoxNode(scene, "Box", *boxInRas(box)) for box in boxes]
        yield logic, nodes[0], nodes[1:]
    finally:
        for variant in logic.results:
            logic.removeVariant(variant)
        removeNodes(scene, nodes)


def _drawn(
    logic: InsertionLogic,
    volumeNode: Any,
    roiNodes: Sequence[Any],
    seeds: Sequence[int],
    request: TumorRequest,
    options: argparse.Namespace,
    report: Report,
) -> list[Variant]:
    """Inserts one variant per seed into the scene; returns them, the best first."""
    for line in logic.warnings(volumeNode, roiNodes, request, model=options.model):
        report.warn(line)
    return logic.insertTumors(
        volumeNode,
        roiNodes,
        request,
        seeds=seeds,
        model=options.model,
        device=options.device,
        onProgress=lambda progress: report.progress(progress.stepsDone, progress.stepsInAll, progress.text),
    )


def _write(
    variants: Sequence[Variant],
    volume: PetVolume,
    output: Path,
    stem: str,
    more: TruthOutputs,
    study: StudyOutputs,
    report: Report,
) -> list[list[Path]]:
    """Writes all files or none, the mask of a variant before its image."""
    grid = Grid.from_image(volume.image)
    written = []
    with all_or_none():
        make_folder(output)
        for variant in variants:
            image, mask = _paths(output, stem, variant.seed)
            provenance = {**variant.provenance, **more.record()}
            write_segmentation(grid.image_from_array(tumorMask(variant)), mask, provenance=provenance)
            voxels = voxelArray(variant.volumeNode)
            increments = more.write_increment(Changed(volume, voxels), variant.seed, provenance)
            result = grid.image_from_array(voxels)
            masks = [grid.image_from_array(tumor) for tumor in tumorMasks(variant) if tumor.any()]
            studies = study.write(result, masks, variant.seed, provenance)
            write_volume(result, image, provenance)
            written.append([image, mask, provenance_path(image), provenance_path(mask), *increments, *studies])
            report.interrupted.stop()
        more.write_truth(variants, [_paths(output, stem, variant.seed)[0] for variant in variants])
    return written


def _paths(output: Path, stem: str, seed: int) -> tuple[Path, Path]:
    """Returns the image and the mask of a variant."""
    return output / f"{stem}_seed{seed}_image.nrrd", output / f"{stem}_seed{seed}_mask.seg.nrrd"


def _stem(path: Path) -> str:
    name = path.resolve().name
    return name[: len(name) - len(known_suffix(Path(name), READABLE_SUFFIXES) or "")]
