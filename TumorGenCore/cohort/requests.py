"""Everything that decides the results of a manifest, except voxels and software."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from TumorGenCore.cohort.manifest import EVEN, ManifestRow
from TumorGenCore.cohort.results import Key
from TumorGenCore.insertion.in_organ import DRAWN, InOrgan
from TumorGenCore.insertion.reference import Reference

if TYPE_CHECKING:
    from TumorGenCore.insertion.generator import TumorGenerator

__all__ = ["Requests"]


class Requests(Mapping[Key, dict[str, Any]]):
    """What decides each result, by its key and in the order of the manifest; ready for JSON, paths without folders.

    Args:
        generator: generator of the results.
        rows: rows of the manifest, with their whole requests.

    Raises:
        InvalidRequestError: the generator cannot use a value of a row.
    """

    def __init__(self, generator: TumorGenerator, rows: Sequence[ManifestRow]) -> None:
        self.rows = rows
        self._seeds = {row.name: row.seeds for row in rows}
        self._rows = {row.name: _of_row(generator, row) for row in rows}

    @property
    def digest(self) -> str:
        """SHA-256 of all of it, so that parts of a run know whether they belong together."""
        asked = [
            [row, seeds.start, seeds.stop] for row, seeds in zip(self._rows.items(), self._seeds.values(), strict=True)
        ]
        return hashlib.sha256(json.dumps(asked).encode()).hexdigest()

    def __getitem__(self, key: Key) -> dict[str, Any]:
        name, seed = key
        if seed not in self._seeds.get(name, ()):
            raise KeyError(key)
        return {**self._rows[name], "seed": seed}

    def __iter__(self) -> Iterator[Key]:
        return ((name, seed) for name, seeds in self._seeds.items() for seed in seeds)

    def __len__(self) -> int:
        return sum(len(seeds) for seeds in self._seeds.values())


def _of_reference(reference: Reference | None) -> dict[str, Any]:
    if reference is None:
        return {}
    return {"to_reference": reference.ratio, "reference": reference.label, "reference_file": reference.file.name}


def _of_organ(organ: InOrgan | None) -> dict[str, Any]:
    if organ is None:
        return {}
    return {"in": organ.name, "labels": organ.labels.name, "tumors": DRAWN if organ.count is None else organ.count}


def _of_row(generator: TumorGenerator, row: ManifestRow) -> dict[str, Any]:
    return {
        "source": row.image.name,
        "box": None if row.box is None else [*row.box.center_lps, *row.box.size_mm, *np.ravel(row.box.axes).tolist()],
        "region": None if row.region is None else row.region.name,
        "tumors": row.tumors,
        **_of_organ(row.organ),
        **({"sizes": EVEN} if row.even_sizes else {}),
        **({} if row.ct is None else {"ct": row.ct.name}),
        **row.request.as_dict(),
        **_of_reference(row.reference),
        **generator.check(row.request, (row.seeds[0], row.seeds[-1])).as_dict(),
        "suv_factor": row.suv_factor,
        "bundle_hash": generator.bundle.bundle_hash,
    }
