"""Whether previews are on, and how soon one follows a change: decided by what previews cost on this machine.

Plain values; knows neither Qt nor the scene.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

__all__ = ["LIMIT_SECONDS", "PREVIEW_STEPS", "Decision", "LivePreviewDecision", "pauseMs", "secondsOfPreview"]

#: Sampling steps of a preview: enough to see where the tumor lies and how large it is.
PREVIEW_STEPS = 4
#: A preview that takes longer follows the hand too late to be of use, s.
LIMIT_SECONDS = 1.0
#: A preview as quick as this is also made while the box is being dragged, s.
DRAG_SECONDS = 0.3
#: Slower ones wait until the box has rested this long, ms.
REST_MS = 150


class Decision(enum.Enum):
    """How it came about that previews are on or off; the value is what the application's settings keep."""

    OPEN = "open"  # nothing was measured yet
    QUICK = "quick"  # on, by the measurement
    SLOW = "slow"  # off, by the measurement
    WANTED = "wanted"  # on, by the user, who knows the measurement
    UNWANTED = "unwanted"  # off, by the user


class LivePreviewDecision:
    """Off until something was measured; then by the measurement; then by the user's word, if there is one.

    Args:
        remembered: value of the ``Decision`` of an earlier session; what is not known is taken as ``OPEN``.
    """

    def __init__(self, remembered: str = Decision.OPEN.value) -> None:
        known = {decision.value: decision for decision in Decision}
        self.decision = known.get(remembered, Decision.OPEN)
        self.isOn = self.decision in (Decision.QUICK, Decision.WANTED)

    def choose(self, on: bool) -> None:
        """The user's word. Before anything was measured "on" is a trial, which the measurement may end."""
        self.isOn = on
        if self.decision is not Decision.OPEN or not on:
            self.decision = Decision.WANTED if on else Decision.UNWANTED

    def measure(self, seconds: float) -> str:
        """Take note of what a preview takes; a sentence for the user if that turns previews on or off, else empty.

        The first measurement decides; a later one may still find a larger box too slow, but turns nothing on.
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
            "Tick it to have it all the same; then it stays on."
        )


def secondsOfPreview(partSeconds: Mapping[str, float], steps: int) -> float:
    """What a preview would have taken where a run took this.

    Args:
        partSeconds: of the run's insertion, by the core's names of the parts.
        steps: of the run.
    """
    sampling = partSeconds.get("steps", 0.0)
    return sum(partSeconds.values()) - sampling + sampling * min(PREVIEW_STEPS, steps) / steps


def pauseMs(seconds: float | None, sinceLastMs: float) -> int | None:
    """How long to wait for the next preview while changes come in, ms; None waits until they have ended.

    Args:
        seconds: that the last preview took; None where there was none.
        sinceLastMs: since the last one began.
    """
    if seconds is None or seconds > DRAG_SECONDS:
        return None
    # Half as long again as one takes, so that each is done before the next begins, and the mouse has its share.
    return max(0, round(1500 * seconds - sinceLastMs))
