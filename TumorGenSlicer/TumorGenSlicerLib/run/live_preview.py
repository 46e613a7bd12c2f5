"""Decides whether previews are on, and how soon one follows a change, from their duration on this computer.

Works on plain values; uses neither Qt nor the scene.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

__all__ = ["LIMIT_SECONDS", "PREVIEW_STEPS", "Decision", "LivePreviewDecision", "pauseMs", "secondsOfPreview"]

#: Sampling steps of a preview: enough to see where the tumor lies and how large it is.
PREVIEW_STEPS = 4
#: A preview that takes longer comes too late to be useful, s.
LIMIT_SECONDS = 1.0
#: Previews that take at most this long also appear while the user drags the box, s.
DRAG_SECONDS = 0.3
#: Slower ones wait until the box has rested this long, ms.
REST_MS = 150


class Decision(enum.Enum):
    """Why previews are on or off; the application's settings store the value."""

    OPEN = "open"  # nothing was measured yet
    QUICK = "quick"  # on, because of the measurement
    SLOW = "slow"  # off, because of the measurement
    WANTED = "wanted"  # on, because the user chose so after the measurement
    UNWANTED = "unwanted"  # off, because the user chose so


class LivePreviewDecision:
    """Previews are off until the first measurement, which then decides. The user's choice overrides it.

    Args:
        remembered: value of the ``Decision`` of an earlier session; an unknown value counts as ``OPEN``.
    """

    def __init__(self, remembered: str = Decision.OPEN.value) -> None:
        known = {decision.value: decision for decision in Decision}
        self.decision = known.get(remembered, Decision.OPEN)
        self.isOn = self.decision in (Decision.QUICK, Decision.WANTED)

    def choose(self, on: bool) -> None:
        """Takes the user's choice. Before the first measurement, "on" is a trial that the measurement may end."""
        self.isOn = on
        if self.decision is not Decision.OPEN or not on:
            self.decision = Decision.WANTED if on else Decision.UNWANTED

    def measure(self, seconds: float) -> str:
        """Takes the duration of a preview; returns a sentence for the user if it turns previews on or off, else "".

        The first measurement decides. A later one may turn previews off, for a larger box, but never on.
        """
        isQuick = seconds <= LIMIT_SECONDS
        if self.decision is not Decision.OPEN and (self.decision is not Decision.QUICK or isQuick):
            return ""
        wasOn, self.isOn = self.isOn, isQuick
        self.decision = Decision.QUICK if isQuick else Decision.SLOW
        if isQuick:
            return "" if wasOn else "Live preview is on: move the box to see a quick tumor in it."
        return (
            f"Live preview is off: a preview takes {seconds:.1f} s on this computer. "
            "Tick it to use it anyway; then it stays on."
        )


def secondsOfPreview(partSeconds: Mapping[str, float], steps: int) -> float:
    """Duration of a preview, estimated from that of a run, s.

    Args:
        partSeconds: durations of the parts of the insertion, by the core's names.
        steps: sampling steps of the run.
    """
    sampling = partSeconds.get("steps", 0.0)
    return sum(partSeconds.values()) - sampling + sampling * min(PREVIEW_STEPS, steps) / steps


def pauseMs(seconds: float | None, sinceLastMs: float) -> int | None:
    """How long to wait for the next preview while changes come in, ms; None means until they end.

    Args:
        seconds: duration of the last preview; None if there was none.
        sinceLastMs: time since the last preview began.
    """
    if seconds is None or seconds > DRAG_SECONDS:
        return None
    # 1.5 times its duration, so that each preview ends before the next begins and the mouse stays responsive.
    return max(0, round(1500 * seconds - sinceLastMs))
