"""Sliders that change uptake and mask of the selected result at once."""

import math
from collections.abc import Callable
from typing import Any

import qt
import slicer
from slicer.i18n import tr as _

from TumorGenSlicerLib.run.logic import InsertionLogic, Variant

__all__ = ["AdjustSliders"]

#: Time from a change to its display, ms: one display for several steps of a dragged slider.
_PAUSE_MS = 30
#: Least end of the range of the uptake, SUV; it ends at twice the uptake of a hotter tumor.
_LEAST_RANGE_SUV = 20.0


class AdjustSliders:
    """Shows SUVmax and mask threshold of a result, and changes the result when the user moves a slider.

    Args:
        ui: the widgets, by their names in the .ui file.
        logic: changes the result.
        onChanged: called after a result was changed.
    """

    def __init__(self, ui: Any, logic: InsertionLogic, onChanged: Callable[[], None]) -> None:
        self._suv, self._mask = ui.shownSuvSlider, ui.shownMaskSlider
        self._logic, self._onChanged = logic, onChanged
        self._variant: Variant | None = None
        #: What the user has changed and the scene does not show yet, by the names of ``changeVariant``.
        self._waiting: dict[str, float] = {}
        self._timer = qt.QTimer()
        self._timer.setInterval(_PAUSE_MS)
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", self._change)
        self._suv.connect("valueChanged(double)", lambda value: self._wait("suvMax", value))
        self._mask.connect("valueChanged(double)", lambda value: self._wait("maskThreshold", value / 100))

    def show(self, variant: Variant | None) -> None:
        """Shows the values of a result; the sliders rest if it cannot be changed."""
        isOther = variant is not self._variant
        if isOther:
            self.stop()
        self._variant = variant
        isOpen = variant is not None and variant.tumor is not None
        for slider in (self._suv, self._mask):
            slider.enabled = isOpen
        if variant is None or variant.tumor is None or self._waiting:
            return
        suv = variant.measures.suv_max
        if isOther:
            _quietly(self._suv, maximum=math.ceil(max(_LEAST_RANGE_SUV, 2 * suv)) if suv > 0 else _LEAST_RANGE_SUV)
            _quietly(self._mask, value=100 * variant.tumor.adjustment.mask_threshold)
        if isOther and suv > 0:
            _quietly(self._suv, value=suv)

    def stop(self) -> None:
        """Forgets changes that the scene does not show yet."""
        self._timer.stop()
        self._waiting.clear()

    def _wait(self, name: str, value: float) -> None:
        self._waiting[name] = value
        self._timer.start()

    def _change(self) -> None:
        changes = dict(self._waiting)
        self._waiting.clear()
        if self._variant is None or self._variant.tumor is None:
            return
        with slicer.util.tryWithErrorDisplay(_("The tumor could not be changed.")):
            self._logic.changeVariant(self._variant, **changes)
        self._onChanged()


def _quietly(slider: Any, **values: float) -> None:
    """Sets properties of a slider, which then tells nobody."""
    wasBlocked = slider.blockSignals(True)
    for name, value in values.items():
        setattr(slider, name, value)
    slider.blockSignals(wasBlocked)
