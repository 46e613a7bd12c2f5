"""Which channels an export has, and what became of the CT."""

from __future__ import annotations

from pathlib import Path

from TumorGenCore.cohort.exports.ct_channel import on_grid_of
from TumorGenCore.cohort.exports.finished import Case, Finished
from TumorGenCore.cohort.exports.placing import Placing

__all__ = ["Channels"]


class Channels:
    """The channels of all results, and the files of the CT on the grid of the PET.

    Args:
        finished: the results.
        with_ct: take the CT along, if every result has one.
    """

    def __init__(self, finished: Finished, with_ct: bool) -> None:
        have = sum(case.ct is not None for case in finished.cases)
        self.has_ct = with_ct and have == len(finished.cases)
        #: What a user should hear before the export: only some results have a CT.
        self.warning = ""
        if with_ct and 0 < have < len(finished.cases):
            self.warning = (
                f"Only {have} of {len(finished.cases)} results have a CT, so the export has none. Give every row of "
                "the manifest a CT to take it along."
            )
        self._made: dict[str, Path | None] = {}

    @property
    def remark(self) -> str:
        """What a data card says about the CT; empty without a CT."""
        if not self.has_ct:
            return ""
        moved = sum(made is not None for made in self._made.values())
        if not moved:
            return "The CT of each scan is the user's own, unchanged: a tumor changes the PET only."
        return (
            "The CT is the user's own: a tumor changes the PET only. "
            f"**{moved} of {len(self._made)} CTs were resampled on the grid of the PET** (linear interpolation without "
            "smoothing, -1024 HU outside the CT) or converted to NIfTI, because both channels need one grid. "
            "The full CT is not in this folder."
        )

    def put_ct(self, case: Case, name: str, placing: Placing) -> None:
        """Puts the CT of a result on the grid of its PET at ``name``; a scan is resampled once for all its results.

        Raises:
            UnsupportedVolumeError: the CT cannot be read.
            OSError: a file cannot be written.
        """
        assert case.ct is not None
        target = placing.folder / name
        if case.name not in self._made:
            target.parent.mkdir(parents=True, exist_ok=True)
            self._made[case.name] = target if on_grid_of(case.image, case.ct, target) else None
            if self._made[case.name] is not None:
                return
        made = self._made[case.name]
        sha256 = case.provenance["ct"]["sha256"] if made is None else None
        placing.put(case.ct if made is None else made, name, sha256)
