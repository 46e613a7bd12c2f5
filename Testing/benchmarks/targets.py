"""Limits for the figures: seconds, share of the machine's best convolution, memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from insertions import WHOLE
from measuring import Row

#: Seconds of a whole insertion: must, aim.
SECONDS = {"64x64x64": (0.4, 0.2), "96x96x96": (1.0, 0.5), "128x128x64": (1.2, 0.6)}
SHARE = {"96x96x96": (0.4, 0.6)}
WHOLE_OVER_CROP = (1.3, 1.1)
PEAK_GB = {"96x96x96": (1.5, 1.0)}


@dataclass(frozen=True)
class Target:
    """One figure and its two limits.

    Args:
        what: name of the figure.
        value: as measured.
        must: limit that the figure has to reach.
        aim: better limit that it should reach.
        at_most: whether the limits are upper ones.
        shown: format of all three numbers.
    """

    what: str
    value: float
    must: float
    aim: float
    at_most: bool = True
    shown: str = "{:.2f}"

    @property
    def verdict(self) -> str:
        """``aim``, ``must`` or ``missed``: the best limit that the figure reaches."""
        for name, limit in (("aim", self.aim), ("must", self.must)):
            if self.value <= limit if self.at_most else self.value >= limit:
                return name
        return "missed"


def targets(rows: Sequence[Row], peaks_gb: Mapping[str, float]) -> Iterator[Target]:
    """The targets whose figures were measured.

    Args:
        rows: lines of the benchmark.
        peaks_gb: most memory of a process by the size of its patch, GB.
    """
    found = {(row.section, row.name): row for row in rows}
    for patch, limits in SECONDS.items():
        if row := found.get((WHOLE, patch)):
            yield Target(f"whole insertion, {patch}", row.seconds, *limits, shown="{:.2f} s")
    for patch, limits in SHARE.items():
        if (row := found.get((WHOLE, patch))) and row.share is not None:
            what = f"share of the machine's best convolution, {patch}"
            yield Target(what, row.share, *limits, at_most=False, shown="{:.0%}")
    for section in dict.fromkeys(row.section for row in rows):
        whole, crop = (found.get((section, f"{which}, image and mask")) for which in ("whole body", "crop"))
        if whole and crop:
            what = f"{section}: whole body over crop"
            yield Target(what, whole.seconds / crop.seconds, *WHOLE_OVER_CROP, shown="{:.2f} x")
    for patch, limits in PEAK_GB.items():
        if patch in peaks_gb:
            yield Target(f"peak memory of a process, {patch}", peaks_gb[patch], *limits, shown="{:.2f} GB")
