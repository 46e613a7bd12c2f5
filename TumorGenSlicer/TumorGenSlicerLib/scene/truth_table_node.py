"""The truth table as a table node: one row for each synthetic tumor, as numbers that Slicer can plot and sort."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import vtk

from TumorGenCore.errors import InvalidRequestError
from TumorGenCore.insertion.truth_columns import COLUMNS, TEXTS
from TumorGenCore.insertion.truth_table import truth_table
from TumorGenCore.volumes.person import Person
from TumorGenSlicerLib.scene.result_nodes import Variant, allOrNothing, uniqueName
from TumorGenSlicerLib.scene.units import personOfVolume

__all__ = ["addTruthTable"]


def addTruthTable(scene: Any, variants: Sequence[Variant]) -> Any:
    """Adds a ``vtkMRMLTableNode`` with a row for each tumor of results; what is not known is NaN or empty.

    Age, sex, height, weight and injected activity come from the DICOM series of the scan, if the DICOM database has it.
    A saved scene then holds them.

    Args:
        scene: scene of the nodes.
        variants: the results.

    Raises:
        InvalidRequestError: there is no result.
    """
    rows = [row for variant in variants for row in truth_table([variant], person=_person(scene, variant))]
    if not rows:
        raise InvalidRequestError("There is no result; make a tumor first.")
    with allOrNothing(scene):
        node = scene.AddNewNodeByClass("vtkMRMLTableNode", uniqueName(scene, "Truth table"))
        node.SetUseColumnTitleAsColumnHeader(False)
        for name, definition in COLUMNS.items():
            node.AddColumn(_column(name, rows))
            node.SetColumnDescription(name, definition)
    return node


def _person(scene: Any, variant: Variant) -> Person:
    source = scene.GetNodeByID(variant.inputId) if variant.inputId else None
    return Person() if source is None else personOfVolume(source)


def _column(name: str, rows: Sequence[Mapping[str, Any]]) -> Any:
    """One column as a VTK array."""
    column = vtk.vtkStringArray() if name in TEXTS else vtk.vtkDoubleArray()
    column.SetName(name)
    for row in rows:
        value = row[name]
        if name in TEXTS:
            column.InsertNextValue("" if value is None else str(value))
        else:
            column.InsertNextValue(math.nan if value is None else float(value))
    return column
