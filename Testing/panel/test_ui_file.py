"""The .ui file uses only what the widgets have in Slicer 5.12, as in the headers of Qt 5.15 and 6, CTK and Slicer.

The stand-in cannot check this: its Qt is newer, and its other widgets are our own.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

UI_FILE = Path(__file__).resolve().parents[2] / "TumorGenSlicer" / "Resources" / "UI" / "TumorGenSlicer.ui"

#: Class -> its base class in this table, and its own properties.
ALLOWED: dict[str, tuple[str, str]] = {
    "QWidget": ("", "geometry enabled visible minimumSize maximumSize sizePolicy font toolTip styleSheet"),
    "QAbstractButton": ("QWidget", "text icon checkable checked"),
    "QPushButton": ("QAbstractButton", "default flat"),
    "QToolButton": ("QAbstractButton", "toolButtonStyle autoRaise"),
    "QCheckBox": ("QAbstractButton", "tristate"),
    "QComboBox": ("QWidget", "currentIndex minimumContentsLength sizeAdjustPolicy"),
    "QAbstractSpinBox": ("QWidget", "specialValueText alignment readOnly keyboardTracking"),
    "QSpinBox": ("QAbstractSpinBox", "minimum maximum singleStep value suffix prefix"),
    "QDoubleSpinBox": ("QAbstractSpinBox", "minimum maximum singleStep value suffix prefix decimals"),
    "QProgressBar": ("QWidget", "minimum maximum value format alignment textVisible"),
    "QFrame": ("QWidget", "frameShape frameShadow lineWidth"),
    "QLabel": ("QFrame", "text wordWrap alignment textFormat indent"),
    "QAbstractItemView": ("QFrame", "editTriggers alternatingRowColors selectionMode selectionBehavior"),
    "QTableWidget": ("QAbstractItemView", "rowCount columnCount showGrid"),
    "ctkCollapsibleButton": ("QAbstractButton", "collapsed collapsedHeight"),
    "ctkSliderWidget": ("QWidget", "decimals singleStep pageStep minimum maximum value prefix suffix tracking"),
    "qMRMLWidget": ("QWidget", ""),
    "qMRMLNodeComboBox": (
        "QWidget",
        "nodeTypes showHidden showChildNodeTypes hideChildNodeTypes baseName noneEnabled noneDisplay addEnabled "
        "removeEnabled editEnabled renameEnabled selectNodeUponCreation sizeAdjustPolicy",
    ),
}
LAYOUTS = {"QVBoxLayout", "QHBoxLayout", "QFormLayout", "QGridLayout"}
#: Properties of table headers, which Designer stores as attributes.
HEADER_ATTRIBUTES = {"horizontalHeaderHighlightSections", "horizontalHeaderStretchLastSection", "verticalHeaderVisible"}
SIGNALS = {("qMRMLWidget", "mrmlSceneChanged(vtkMRMLScene*)")}
SLOTS = {("qMRMLNodeComboBox", "setMRMLScene(vtkMRMLScene*)")}


def properties(kind: str) -> set[str]:
    """Properties of a class and its bases."""
    base, own = ALLOWED[kind]
    return set(own.split()) | (properties(base) if base else set())


def complaints(root: ET.Element) -> list[str]:
    """Everything that the file uses and Slicer does not have."""
    found = []
    kinds = {}
    for widget in root.iter("widget"):
        kind, name = widget.get("class", ""), widget.get("name", "")
        kinds[name] = kind
        if kind not in ALLOWED:
            found.append(f"class {kind}")
            continue
        own = [p for p in widget.findall("property") if p.get("stdset") != "0"]
        found += [f"{kind}.{p.get('name')}" for p in own if p.get("name") not in properties(kind)]
        found += [str(p.get("name")) for p in widget.findall("attribute") if p.get("name") not in HEADER_ATTRIBUTES]
    found += [str(layout.get("class")) for layout in root.iter("layout") if layout.get("class") not in LAYOUTS]
    for wire in root.iter("connection"):
        sender, signal, receiver, slot = (wire.findtext(k, "") for k in ("sender", "signal", "receiver", "slot"))
        if (kinds.get(sender), signal) not in SIGNALS or (kinds.get(receiver), slot) not in SLOTS:
            found.append(f"connection {signal} to {slot}")
    return found


@pytest.fixture
def root() -> ET.Element:
    return ET.parse(UI_FILE).getroot()


def test_the_file_uses_only_what_slicer_has(root: ET.Element) -> None:
    assert complaints(root) == []


@pytest.mark.parametrize(
    ("right", "wrong", "complaint"),
    [
        ('class="ctkCollapsibleButton" name', 'class="ctkCollapsableButton" name', "class ctkCollapsableButton"),
        ('name="noneEnabled"', 'name="noneEnable"', "qMRMLNodeComboBox.noneEnable"),
        ('name="decimals"', 'name="digits"', "QDoubleSpinBox.digits"),
        ("<signal>mrmlSceneChanged(", "<signal>sceneChanged(", "connection sceneChanged(vtkMRMLScene*) to "),
    ],
)
def test_typing_errors_are_found(right: str, wrong: str, complaint: str) -> None:
    text = UI_FILE.read_text()
    assert right in text
    assert any(complaint in found for found in complaints(ET.fromstring(text.replace(right, wrong))))


def test_the_loader_refuses_what_a_widget_does_not_have(app: Any, tmp_path: Path) -> None:
    import slicer

    wrong = tmp_path / "wrong.ui"
    wrong.write_text(UI_FILE.read_text().replace('name="noneEnabled"', 'name="noneEnable"'))
    with pytest.raises(RuntimeError, match="noneEnable"):
        slicer.util.loadUI(str(wrong))


def test_every_custom_class_is_declared(root: ET.Element) -> None:
    used = {str(w.get("class")) for w in root.iter("widget") if not str(w.get("class")).startswith("Q")}
    assert used == {w.findtext("class") for w in root.iter("customwidget")}


def test_every_scene_widget_gets_the_scene(root: ET.Element) -> None:
    selectors = {w.get("name") for w in root.iter("widget") if w.get("class") == "qMRMLNodeComboBox"}
    assert selectors == {wire.findtext("receiver") for wire in root.iter("connection")}


def test_every_setting_has_one_widget(app: Any, root: ET.Element) -> None:
    """Except model and segments: their lists change, so the panel binds them itself."""
    from TumorGenSlicerLib.panel.parameters import Parameters

    bound = [p.findtext("string") for p in root.iter("property") if p.get("name") == "SlicerParameterName"]
    assert sorted(bound) == sorted(set(Parameters.allParameters) - {"model", "placeSegment", "referenceSegment"})


def test_everything_that_can_be_pressed_explains_itself(root: ET.Element) -> None:
    for widget in root.iter("widget"):
        if widget.get("class") in ("QWidget", "qMRMLWidget", "ctkCollapsibleButton", "QLabel"):
            continue
        texts = [p.findtext("string") for p in widget.findall("property") if p.get("name") == "toolTip"]
        assert texts, widget.get("name")
        assert re.fullmatch(r"[A-Z].*[.]", texts[0]), texts[0]


def test_names_are_given_once(root: ET.Element) -> None:
    names = [w.get("name") for kind in ("widget", "layout", "spacer") for w in root.iter(kind)]
    assert len(names) == len(set(names))
