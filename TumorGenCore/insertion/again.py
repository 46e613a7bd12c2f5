"""A tumor of a provenance made again: from the record and the scan, the same to the last bit where machine and software
are the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from TumorGenCore.errors import InvalidBoxError, ProvenanceError
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.growth import Growth
from TumorGenCore.insertion.progress import OnProgress, ShouldCancel
from TumorGenCore.insertion.provenance import Provenance, hash_volume, recorded_box
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.insertion.variants import Variant
from TumorGenCore.volumes.volume import PetVolume

__all__ = ["differences", "make_again"]

#: What decides the bits of a tumor beside its request, and what to call it.
_DECIDES = {
    "software_version": "TumorGen",
    "bundle_name": "the model",
    "bundle_hash": "the model's hash",
    "libraries": "the libraries",
    "device": "the device",
    "processor": "the processor",
    "precision": "the precision",
}


def make_again(
    record: Provenance,
    volume: PetVolume,
    generator: TumorGenerator,
    *,
    on_progress: OnProgress | None = None,
    should_cancel: ShouldCancel | None = None,
) -> Variant:
    """The synthetic volume of a provenance.

    Args:
        record: from ``read_provenance``.
        volume: the scan that it was made from.
        generator: of the model that made it; see ``differences`` for what is another one.
        on_progress: called after each sampling step of a tumor.
        should_cancel: asked between steps.

    Raises:
        ProvenanceError: the record lacks something, or belongs to another scan.
        CancelledError: ``should_cancel`` said so.
    """
    if hash_volume(volume.image) != record.get("input_sha256"):
        raise ProvenanceError(
            "This is not the scan that the tumor was made in: its voxels, pixel type or geometry differ. Give the same "
            "file or DICOM folder."
        )
    try:
        request = TumorRequest.parse({**record["request"], "least_quality": None})
        # 0.4.1 and before did not keep how a tumor was grown.
        recorded = [
            (recorded_box(tumor), Growth.parse(tumor) if "batch" in tumor else None) for tumor in record["tumors"]
        ]
    except (KeyError, TypeError, ValueError, InvalidBoxError) as error:
        raise ProvenanceError(f"The provenance cannot be used: {error!r}.") from error
    tumors: list[Tumor] = []
    with _threads(record.get("threads")):
        for box, growth in recorded:
            scan = PetVolume(tumors[-1].image, volume.units) if tumors else volume
            prepared = generator.prepare(scan, box, suv_factor=record.get("suv_factor"))
            if growth is None:
                seed = int(record["tumors"][len(tumors)]["seed"])
                made = generator.generate(
                    prepared, request, seed=seed, on_progress=on_progress, should_cancel=should_cancel
                )
            else:
                made = generator.grow_again(
                    prepared, request, growth, on_progress=on_progress, should_cancel=should_cancel
                )
            tumors.append(made)
    return Variant(tuple(tumors), sum(sum(tumor.seconds.values()) for tumor in tumors))


def differences(record: Provenance, made: Variant) -> list[str]:
    """What is another one than when the tumor was made, and whether the tumor is the same, in plain words; empty where
    nothing differs.

    Args:
        record: from ``read_provenance``.
        made: from ``make_again``.
    """
    now = made.provenance
    lines = [
        f"{what[0].upper()}{what[1:]} is {_shown(now[key])} now and was {_shown(record[key])}."
        for key, what in _DECIDES.items()
        if key in record and record[key] != now[key]
    ]
    hashes = [tumor.get("sha256") for tumor in record["tumors"]]
    if None in hashes:
        lines.append("The provenance has no hash of the tumor, so nobody can say whether it is the same.")
    elif hashes != [tumor.sha256 for tumor in made.tumors]:
        lines.append("The tumor is not the same to the last bit.")
    return lines


@contextmanager
def _threads(count: Any) -> Iterator[None]:
    """Sums of another number of threads are rounded otherwise."""
    before = torch.get_num_threads()
    if isinstance(count, int) and count > 0:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return str(value)
