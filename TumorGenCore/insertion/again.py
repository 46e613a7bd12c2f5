"""Makes a tumor again from its provenance and the scan. On the same machine and software all bits are the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch

from TumorGenCore.errors import InvalidBoxError, ProvenanceError
from TumorGenCore.insertion.adjustment import Adjustment
from TumorGenCore.insertion.generator import TumorGenerator
from TumorGenCore.insertion.growth import Growth
from TumorGenCore.insertion.progress import OnProgress, ShouldCancel
from TumorGenCore.insertion.provenance import Provenance, hash_volume, recorded_box
from TumorGenCore.insertion.request import TumorRequest
from TumorGenCore.insertion.tumor import Tumor
from TumorGenCore.insertion.variants import Variant
from TumorGenCore.volumes.volume import PetVolume

__all__ = ["differences", "make_again"]

#: Entries of a provenance that decide the bits of a tumor, in addition to its request, and their names for users.
_DECIDES = {
    "software_version": "TumorGen",
    "bundle_name": "the model",
    "bundle_hash": "the model's hash",
    "libraries": "the libraries",
    "device": "the device",
    "processor": "the processor",
    "precision": "the precision",
}

#: More threads than any machine has would fill its memory.
_MOST_THREADS = 4096


def make_again(
    record: Provenance,
    volume: PetVolume,
    generator: TumorGenerator,
    *,
    on_progress: OnProgress | None = None,
    should_cancel: ShouldCancel | None = None,
) -> Variant:
    """Makes the synthetic volume of a provenance again.

    Args:
        record: from ``read_provenance``.
        volume: the scan from which it was made.
        generator: a generator with the same model; ``differences`` shows whether it is the same.
        on_progress: called after each sampling step of a tumor.
        should_cancel: called between steps; True cancels.

    Raises:
        ProvenanceError: the record is incomplete, or belongs to another scan.
        CancelledError: ``should_cancel`` returned True.
    """
    if hash_volume(volume.image) != record.get("input_sha256"):
        raise ProvenanceError(
            "This is not the scan in which the tumor was made: voxels, pixel type or geometry differ. Give the same "
            "file or DICOM folder."
        )
    try:
        request = TumorRequest.parse({**record["request"], "least_quality": None})
        # Version 0.4.1 and before did not record how a tumor was grown.
        recorded = [
            (
                recorded_box(tumor),
                Growth.parse(tumor) if "batch" in tumor else None,
                Adjustment.parse(tumor["adjusted"]) if "adjusted" in tumor else None,
            )
            for tumor in record["tumors"]
        ]
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, InvalidBoxError) as error:
        raise ProvenanceError(f"The provenance cannot be used: {error!r}.") from error
    tumors: list[Tumor] = []
    with _threads(record.get("threads")):
        for box, growth, adjustment in recorded:
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
            tumors.append(made if adjustment is None else made.adjusted(adjustment))
    return Variant(tuple(tumors), sum(sum(tumor.seconds.values()) for tumor in tumors))


def differences(record: Provenance, made: Variant) -> list[str]:
    """Lists in plain words what has changed since the tumor was made, and whether the tumor differs; empty if nothing.

    Args:
        record: from ``read_provenance``.
        made: from ``make_again``.
    """
    now = made.provenance
    lines = [
        f"{what[0].upper()}{what[1:]} is {_shown(now[key])} now and was {_shown(record[key])} before."
        for key, what in _DECIDES.items()
        if key in record and record[key] != now[key]
    ]
    hashes = [tumor.get("sha256") for tumor in record["tumors"]]
    if None in hashes:
        lines.append("The provenance has no hash of the tumor, so it is unknown whether the tumor is the same.")
    elif hashes != [tumor.sha256 for tumor in made.tumors]:
        lines.append("The tumor is not identical to the last bit.")
    return lines


@contextmanager
def _threads(count: Any) -> Iterator[None]:
    """Sets the number of threads for a while, because rounding of sums depends on it."""
    before = torch.get_num_threads()
    if isinstance(count, int) and 0 < count <= _MOST_THREADS:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _shown(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {version}" for name, version in value.items())
    return str(value)
