"""The table of the tumors made: one row per variant with its quality and measures, the best first."""

import math
from collections.abc import Callable, Sequence

import qt

from TumorGenCore.lesions.quality import QualityScore
from TumorGenSlicerLib.run.logic import Variant

__all__ = ["VariantTable"]

#: Column of the quality.
_QUALITY = 1
#: Meaning of a high value of each part of the quality.
_PARTS = {
    "uptake": "mask matches the uptake",
    "seam": "no seam",
    "statistics": "usual volume and uptake",
    "shape": "shape as of real lesions",
    "texture": "texture as of real lesions",
    "novelty": "no copy of a training lesion",
}


class VariantTable:
    """Fills a table widget and knows which variant is selected.

    Args:
        widget: a QTableWidget with the columns seed, quality, volume, SUVmax, SUVpeak, MTV and TLG.
        onSelected: called when the user selects a row; not by ``show``.
    """

    def __init__(self, widget: qt.QTableWidget, onSelected: Callable[[], None]) -> None:
        self._widget = widget
        self._variants: list[Variant] = []
        header = widget.horizontalHeader()
        header.setMinimumSectionSize(38)
        header.setSectionResizeMode(qt.QHeaderView.ResizeToContents)  # SUVpeak needs more space than MTV.
        widget.verticalHeader().setDefaultSectionSize(22)
        widget.connect("itemSelectionChanged()", onSelected)

    @property
    def selected(self) -> Variant | None:
        """Variant of the selected row; None if no row is selected."""
        rows = self._widget.selectionModel().selectedRows()
        return self._variants[rows[0].row()] if rows else None

    @property
    def variants(self) -> Sequence[Variant]:
        """Variants in the order of the rows."""
        return tuple(self._variants)

    def selectFrom(self, rows: int) -> None:
        """Selects the row so many rows below the selected one, as if the user had clicked it; stops at the ends."""
        selected = self.selected
        row = self._variants.index(selected) + rows if selected is not None else 0
        if 0 <= row < len(self._variants):
            self._widget.selectRow(row)

    def show(self, variants: Sequence[Variant], selected: Variant | None) -> None:
        """Shows one row per variant, the best first, and selects the row of ``selected``."""
        wasBlocked = self._widget.blockSignals(True)
        self._variants = sorted(variants, key=lambda variant: -variant.quality.total)
        self._widget.clearContents()
        self._widget.setRowCount(len(self._variants))
        for row, variant in enumerate(self._variants):
            for column, text in enumerate(_cells(variant)):
                toolTip = _judgment(variant.quality) if column == _QUALITY else _description(variant)
                self._widget.setItem(row, column, _item(text, toolTip))
        self._widget.clearSelection()
        if selected is not None:
            self._widget.selectRow(self._variants.index(selected))
        self._widget.blockSignals(wasBlocked)


def _cells(variant: Variant) -> list[str]:
    measures = variant.measures
    values = (measures.volume_ml, measures.suv_max, measures.suv_peak, measures.mtv_ml, measures.tlg)
    quality = f"{variant.quality.percent}" if variant.quality.passes else f"{variant.quality.percent} (poor)"
    return [str(variant.seed), quality, *("-" if math.isnan(value) else f"{value:.1f}" for value in values)]


def _description(variant: Variant) -> str:
    lines = [variant.volumeNode.GetName(), f"made in {variant.summary.seconds:.1f} s", *variant.warnings]
    return "\n".join(lines)


def _judgment(quality: QualityScore) -> str:
    """Text about the quality of a tumor: what is poor, and the value of each part."""
    parts = [f"{_PARTS[name]}: {round(100 * part)}" for name, part in quality.parts.items() if part is not None]
    return "\n".join([*(quality.reasons or ("Nothing is poor.",)), *parts, *quality.left_out])


def _item(text: str, toolTip: str) -> qt.QTableWidgetItem:
    item = qt.QTableWidgetItem(text)
    item.setToolTip(toolTip)
    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    return item
