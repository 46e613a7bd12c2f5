"""What the writer of a format gets."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from TumorGenCore.cohort.exports.channels import Channels
from TumorGenCore.cohort.exports.finished import Case, Finished
from TumorGenCore.cohort.exports.placing import Placing
from TumorGenCore.cohort.exports.request import ExportRequest
from TumorGenCore.cohort.exports.tables import write_tables
from TumorGenCore.volumes.safe_write import write_pieces

__all__ = ["Work"]


@dataclass(frozen=True)
class Work:
    """An export that is being written.

    Args:
        folder: to write to; it becomes the export if all succeeds.
        finished: the results.
        patients: the patient of each result.
        folds: indices of the results of each fold; empty if there is only one patient.
        request: what the user asked for.
        channels: PET, and the CT if there is one.
        placing: puts files into the folder.
        on_put: called after each result with the number of results that are done, and of all.
    """

    folder: Path
    finished: Finished
    patients: list[str]
    folds: list[list[int]]
    request: ExportRequest
    channels: Channels
    placing: Placing
    on_put: Callable[[int, int], None]

    def put(self, image: Callable[[Case], str], mask: Callable[[Case], str]) -> dict[str, str]:
        """Puts image and mask of every result into the export, and writes both tables.

        Args:
            image: path of the image of a result in the export, with /.
            mask: path of its mask.

        Returns:
            SHA-256 of each table by its name.
        """
        files = {}
        for done, case in enumerate(self.finished.cases, start=1):
            files[case.stem] = image(case), mask(case)
            self.placing.put(case.mask, files[case.stem][1], case.record["mask_sha256"])
            self.placing.put(case.image, files[case.stem][0], case.record["image_sha256"])
            self.on_put(done, len(self.finished.cases))
        return write_tables(self.folder, self.finished.cases, files)

    def put_original_cts(self, name: Callable[[Case], str]) -> dict[str, Case]:
        """Puts the CT of every scan into the export, unchanged.

        Args:
            name: path in the export without its suffix, with /; one for all results of a scan.

        Returns:
            One result of each scan by the path of its CT in the export; empty without CTs.
        """
        put: dict[str, Case] = {}
        for case in self.finished.cases if self.channels.has_ct else ():
            assert case.ct is not None
            path = name(case) + case.ct.name.removeprefix(f"{case.name}_ct")
            if path not in put:
                self.placing.put(case.ct, path, case.provenance["ct"]["sha256"])
                put[path] = case
        return put

    def write_json(self, name: str, values: Any) -> None:
        """Writes a JSON file to ``name`` in the export, with the folders above it.

        Raises:
            OSError: the file cannot be written.
        """
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_pieces(path, [json.dumps(values, indent=2, allow_nan=False).encode() + b"\n"])
