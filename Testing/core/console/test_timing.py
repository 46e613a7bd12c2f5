"""Times of the parts of a command."""

from __future__ import annotations

import time

import pytest

from TumorGenCore.console.timing import Timing


def test_parts_are_measured_in_their_order():
    timing = Timing()
    with timing.part("long"):
        time.sleep(0.05)
    with timing.part("short"):
        pass
    assert list(timing.seconds) == ["long", "short"]
    assert timing.seconds["long"] >= 0.05 > timing.seconds["short"] >= 0


def test_a_part_that_fails_is_not_kept():
    timing = Timing()
    with pytest.raises(OSError), timing.part("write"):
        raise OSError
    assert timing.seconds == {}
