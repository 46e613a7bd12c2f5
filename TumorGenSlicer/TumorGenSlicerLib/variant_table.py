"""The table of tumours made: a row for each variant, with what a report would say of it."""

import math
from collections.abc import Callable, Sequence

import qt

from TumorGenSlicerLib.logic import Variant

__all__ = ["VariantTable"]


class VariantTable:
    """Fills a table widget and knows which variant is selected.

    Args:
        widget: a QTableWidget with the columns seed, volume, SUVmax, SUVpeak, MTV and TLG.
        onSelected: called when the user selects a row; not by ``show``.
    """

    def __init__(self, widget: qt.QTableWidget, onSelected: Callable[[], None]) -> None:
        self._widget = widget
        self._variants: list[Variant] = []
        widget.horizontalHeader().setSectionResizeMode(qt.QHeaderView.Stretch)
        widget.verticalHeader().setDefaultSectionSize(22)
        widget.connect("itemSelectionChanged()", onSelected)

    @property
    def selected(self) -> Variant | None:
        """The variant of the selected row."""
        rows = self._widget.selectionModel().selectedRows()
        return self._variants[rows[0].row()] if rows else None

    @property
    def variants(self) -> Sequence[Variant]:
        """The variants of the rows."""
        return tuple(self._variants)

    def show(self, variants: Sequence[Variant], selected: Variant | None) -> None:
        """A row for each of ``variants``, with that of ``selected`` selected."""
        wasBlocked = self._widget.blockSignals(True)
        self._variants = list(variants)
        self._widget.clearContents()
        self._widget.setRowCount(len(self._variants))
        for row, variant in enumerate(self._variants):
            for column, text in enumerate(_cells(variant)):
                self._widget.setItem(row, column, _item(text, _description(variant)))
        self._widget.clearSelection()
        if selected is not None:
            self._widget.selectRow(self._variants.index(selected))
        self._widget.blockSignals(wasBlocked)


def _cells(variant: Variant) -> list[str]:
    measures = variant.measures
    values = (measures.volume_ml, measures.suv_max, measures.suv_peak, measures.mtv_ml, measures.tlg)
    return [str(variant.seed), *("-" if math.isnan(value) else f"{value:.1f}" for value in values)]


def _description(variant: Variant) -> str:
    lines = [variant.volumeNode.GetName(), f"made in {variant.seconds:.1f} s", *variant.warnings]
    return "\n".join(lines)


def _item(text: str, toolTip: str) -> qt.QTableWidgetItem:
    item = qt.QTableWidgetItem(text)
    item.setToolTip(toolTip)
    item.setTextAlignment(qt.Qt.AlignRight | qt.Qt.AlignVCenter)
    return item
