"""``qt``, ``ctk`` and Slicer's widgets on PySide6, with the interface of PythonQt, for tests without the application.

It is stricter than PythonQt: properties are attributes and take values of their own type only; an attribute, property,
signal or widget class that does not exist raises. The widget classes below load the ``.ui`` file, so it may use no
others.
"""

from __future__ import annotations

import ctypes
import sys
import types
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

__all__ = ["WIDGETS", "install"]

#: Property types, and the Python types that PythonQt converts to them.
_ACCEPTS: dict[str, tuple[type, ...]] = {
    "QString": (str,),
    "bool": (bool, int),
    "int": (int,),
    "double": (float, int),
    "QStringList": (list, tuple),
}
#: Methods that PySide6 looks up by name on the instance when C++ calls a virtual function; never properties here.
_VIRTUAL = {"sizeHint", "minimumSizeHint"}


class PythonQtManners:
    """Mixin before a PySide6 class: properties as attributes, ``connect("signal()", f)``, errors for unknown names."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name in _VIRTUAL:
            return super().__getattribute__(name)
        if name in ("connect", "disconnect"):  # Else PySide6 would find its own first.
            return super().__getattribute__(f"_{name}")
        if name == "name":
            return self.objectName
        if name in _properties(type(self), super().__getattribute__("metaObject")):
            return self.property(name)
        return super().__getattribute__(name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            return super().__setattr__(name, value)
        name = "objectName" if name == "name" else name
        kind = _properties(type(self), self.metaObject).get(name)
        if kind is None and isinstance(value, QtCore.QObject) and value.objectName == name:
            return None  # PySide6's loader sets named children as attributes of their window; PythonQt's does not.
        if kind is None:
            raise AttributeError(f"{type(self).__name__} has no property {name!r}")
        if not isinstance(value, _ACCEPTS.get(kind, (object,))) or not self.setProperty(name, value):
            raise TypeError(f"{type(self).__name__}.{name} is of type {kind}, not {value!r}")
        return None

    def _connect(self, signature: str, receiver: Callable) -> bool:
        signal, receiver = self._signal(signature, receiver)
        signal.connect(receiver)
        return True

    def _disconnect(self, signature: str, receiver: Callable) -> bool:
        signal, receiver = self._signal(signature, receiver)
        signal.disconnect(receiver)
        return True

    def _signal(self, signature: str, receiver: Callable) -> tuple[Any, Callable]:
        known = signature.replace("vtkMRMLNode*", "PyObject").replace("vtkMRMLScene*", "PyObject")
        normalized = QtCore.QMetaObject.normalizedSignature(known).data().decode()
        if self.metaObject().indexOfSignal(normalized) < 0:
            raise AttributeError(f"{type(self).__name__} has no signal {signature}")
        name, arguments = normalized[:-1].split("(")
        signal = super().__getattribute__(name)
        if not arguments:
            return signal, _without_arguments(receiver)
        return signal, receiver


_wrapped: dict[Any, Callable] = {}


def _without_arguments(receiver: Callable) -> Callable:
    """Wraps the receiver of a signal such as ``clicked()``, which Qt sends as ``clicked(bool)``."""
    return _wrapped.setdefault(receiver, lambda *_: receiver())


_property_cache: dict[type, dict[str, str]] = {}


def _properties(cls: type, meta_object: Callable) -> dict[str, str]:
    if cls not in _property_cache:
        meta = meta_object()
        found = (meta.property(n) for n in range(meta.propertyCount()))
        _property_cache[cls] = {p.name(): p.typeName() for p in found}
    return _property_cache[cls]


def _stored(kind: Any, default: Any) -> Any:
    """A property that only keeps its value."""
    key = object()
    return QtCore.Property(
        kind, lambda self: self._values.get(key, default), lambda self, value: self._values.update({key: value})
    )


class CollapsibleButton(PythonQtManners, QtWidgets.QAbstractButton):
    """ctkCollapsibleButton: a header that shows or hides its children."""

    contentsCollapsed = QtCore.Signal(bool)
    _header = 26

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._closed = False
        self._inside: list[Any] = []
        self.setContentsMargins(0, self._header, 0, 0)
        self.setSizePolicy(QtWidgets.QSizePolicy.Preferred, QtWidgets.QSizePolicy.Preferred)
        self.connect("clicked()", lambda: self._collapse(not self._closed))

    def _collapse(self, closed: bool) -> None:
        self._closed = closed
        children = self.findChildren(QtWidgets.QWidget, options=QtCore.Qt.FindDirectChildrenOnly)
        if closed:
            self._inside = [child for child in children if not QtWidgets.QWidget.isHidden(child)]
        for child in self._inside if not closed else children:
            child.setVisible(not closed)
        self.setMaximumHeight(self._header if closed else 16777215)
        self.contentsCollapsed.emit(closed)

    collapsed = QtCore.Property(bool, lambda self: self._closed, lambda self, closed: self._collapse(closed))

    def hitButton(self, position: Any) -> bool:
        return position.y() < self._header

    def showEvent(self, event: Any) -> None:
        if self._closed:  # set by the .ui file, before the children were there
            self._collapse(True)
        super().showEvent(event)

    def paintEvent(self, _event: Any) -> None:
        painter = QtWidgets.QStylePainter(self)
        option = QtWidgets.QStyleOptionButton()
        option.initFrom(self)
        option.rect = QtCore.QRect(0, 0, QtWidgets.QWidget.width(self), self._header)
        painter.drawControl(QtWidgets.QStyle.CE_PushButtonBevel, option)
        arrow = QtWidgets.QStyleOption()
        arrow.initFrom(self)
        arrow.rect = QtCore.QRect(6, self._header // 2 - 5, 10, 10)
        shape = "PE_IndicatorArrowRight" if self._closed else "PE_IndicatorArrowDown"
        painter.drawPrimitive(getattr(QtWidgets.QStyle, shape), arrow)
        painter.drawText(option.rect.adjusted(24, 0, 0, 0), int(QtCore.Qt.AlignVCenter), self.text)


class SliderWidget(PythonQtManners, QtWidgets.QWidget):
    """ctkSliderWidget: a slider and a spin box with one value."""

    valueChanged = QtCore.Signal(float)
    _slider_steps = 1000

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._spin, self._bar = QtWidgets.QDoubleSpinBox(), QtWidgets.QSlider(QtCore.Qt.Horizontal)
        self._bar.setRange(0, self._slider_steps)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._bar, 1)
        layout.addWidget(self._spin)
        self._spin.valueChanged.connect(self._changed)
        self._bar.sliderMoved.connect(lambda place: self._spin.setValue(self._at(place)))

    def _at(self, place: int) -> float:
        low, high = self._spin.minimum(), self._spin.maximum()
        return low + (high - low) * place / self._slider_steps

    def _changed(self, value: float) -> None:
        low, high = self._spin.minimum(), self._spin.maximum()
        self._bar.setValue(round(self._slider_steps * (value - low) / max(high - low, 1e-9)))
        self.valueChanged.emit(value)

    value = QtCore.Property(float, lambda self: self._spin.value(), lambda self, value: self._spin.setValue(value))
    minimum = QtCore.Property(float, lambda self: self._spin.minimum(), lambda self, v: self._spin.setMinimum(v))
    maximum = QtCore.Property(float, lambda self: self._spin.maximum(), lambda self, v: self._spin.setMaximum(v))
    singleStep = QtCore.Property(
        float, lambda self: self._spin.singleStep(), lambda self, v: self._spin.setSingleStep(v)
    )
    decimals = QtCore.Property(int, lambda self: self._spin.decimals(), lambda self, v: self._spin.setDecimals(v))
    suffix = QtCore.Property(str, lambda self: self._spin.suffix(), lambda self, v: self._spin.setSuffix(v))


class MRMLWidget(PythonQtManners, QtWidgets.QWidget):
    """qMRMLWidget: passes its scene on."""

    mrmlSceneChanged = QtCore.Signal(object)

    def setMRMLScene(self, scene: Any) -> None:
        self._scene = scene
        self.mrmlSceneChanged.emit(scene)

    def mrmlScene(self) -> Any:
        return self._scene


class NodeComboBox(PythonQtManners, QtWidgets.QWidget):
    """qMRMLNodeComboBox: lists the scene's nodes of some types, also after nodes are added, removed or renamed."""

    currentNodeChanged = QtCore.Signal(object)
    nodeTypes = _stored("QStringList", [])
    showHidden = _stored(bool, False)
    showChildNodeTypes = _stored(bool, True)
    noneEnabled = _stored(bool, False)
    noneDisplay = _stored(str, "None")
    addEnabled = _stored(bool, True)
    removeEnabled = _stored(bool, True)
    editEnabled = _stored(bool, False)
    renameEnabled = _stored(bool, False)
    selectNodeUponCreation = _stored(bool, False)
    baseName = _stored(str, "")

    def __init__(self, parent: Any = None) -> None:
        super().__init__(parent)
        self._values: dict[object, Any] = {}
        self._scene, self._node, self._tags = None, None, []
        self._combo = QtWidgets.QComboBox()
        self._combo.setSizeAdjustPolicy(QtWidgets.QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self._combo.activated.connect(lambda row: self.setCurrentNode(self._combo.itemData(row)))
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)

    def setMRMLScene(self, scene: Any) -> None:
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene, self._tags = scene, []
        if scene:
            events = (scene.NodeAddedEvent, scene.NodeRemovedEvent, scene.EndCloseEvent, scene.EndImportEvent)
            self._tags = [scene.AddObserver(event, lambda *_: self._update()) for event in events]
        self._update()

    def currentNode(self) -> Any:
        return self._node

    currentNodeID = QtCore.Property(str, lambda self: self._node.GetID() if self._node else "")

    def setCurrentNode(self, node: Any) -> None:
        node = node if node in self._nodes() else None
        if node is self._node:
            return
        self._node = node
        self._show()
        self.currentNodeChanged.emit(node)

    def nodeCount(self) -> int:
        return len(self._nodes())

    def _nodes(self) -> list[Any]:
        if not self._scene:
            return []
        nodes = [self._scene.GetNthNode(n) for n in range(self._scene.GetNumberOfNodes())]
        return [node for node in nodes if self._fits(node) and (self.showHidden or not node.GetHideFromEditors())]

    def _fits(self, node: Any) -> bool:
        if self.showChildNodeTypes:
            return any(node.IsA(kind) for kind in self.nodeTypes)
        return node.GetClassName() in self.nodeTypes

    def _update(self) -> None:
        nodes = self._nodes()
        if self._node not in nodes:
            self.setCurrentNode(None if self.noneEnabled or not nodes else nodes[0])
        self._show()

    def _show(self) -> None:
        self._combo.clear()
        if self.noneEnabled:
            self._combo.addItem(self.noneDisplay, None)
        for node in self._nodes():
            self._combo.addItem(node.GetName(), node)
            if node is self._node:
                self._combo.setCurrentIndex(self._combo.count() - 1)


def _mannered(name: str) -> type:
    return type(name, (PythonQtManners, getattr(QtWidgets, name)), {})


_QT_WIDGETS = (
    *("QWidget", "QFrame", "QLabel", "QPushButton", "QToolButton", "QCheckBox", "QComboBox"),
    *("QSpinBox", "QDoubleSpinBox", "QProgressBar", "QTableWidget"),
)
#: Every widget class that a .ui file may use.
WIDGETS: dict[str, type] = {name: _mannered(name) for name in _QT_WIDGETS} | {
    "ctkCollapsibleButton": CollapsibleButton,
    "ctkSliderWidget": SliderWidget,
    "qMRMLWidget": MRMLWidget,
    "qMRMLNodeComboBox": NodeComboBox,
}


class UiLoader(QtUiTools.QUiLoader):
    """Loads a .ui file strictly: only the classes above, and only properties, signals and slots that exist."""

    def load(self, file: QtCore.QFile) -> QtWidgets.QWidget:
        path = Path(file.fileName())
        tree = ET.parse(path)
        self._check(tree)
        connections = tree.find("connections")
        wires = [tuple(wire.findtext(k, "") for k in ("sender", "signal", "receiver", "slot")) for wire in connections]
        tree.getroot().remove(connections)
        text = QtCore.QBuffer()
        text.setData(ET.tostring(tree.getroot()))
        self.setWorkingDirectory(QtCore.QDir(str(path.parent)))
        root = super().load(text)
        for sender, signal, receiver, slot in wires:
            source, target = (_named(root, name) for name in (sender, receiver))
            source.connect(signal, getattr(target, slot.split("(")[0]))
        return root

    def createWidget(self, kind: str, parent: Any = None, name: str = "") -> QtWidgets.QWidget:
        widget = WIDGETS[kind](parent)
        widget.setObjectName(name)
        return widget

    @staticmethod
    def _check(tree: ET.ElementTree) -> None:
        for element in tree.iter("widget"):
            kind = element.get("class", "")
            if kind not in WIDGETS:
                raise RuntimeError(f"The .ui file uses {kind}, which is not among {', '.join(WIDGETS)}")
            known = _properties(WIDGETS[kind], WIDGETS[kind]().metaObject)
            for prop in element.findall("property"):
                if prop.get("stdset") != "0" and prop.get("name") not in known:
                    raise RuntimeError(f"{kind} {element.get('name')} has no property {prop.get('name')}")


def _named(root: Any, name: str) -> Any:
    found = root if root.objectName == name else root.findChild(QtWidgets.QWidget, name)
    if found is None:
        raise RuntimeError(f"The .ui file connects {name}, which it does not have")
    return found


class Timer(PythonQtManners, QtCore.QTimer):
    """qt.QTimer, whose ``singleShot`` is the static call on the class and the property on an instance."""


class Shortcut(PythonQtManners, QtGui.QShortcut):
    """qt.QShortcut."""


class FileDialog(QtWidgets.QFileDialog):
    """qt.QFileDialog, whose static calls return the path alone; PySide6 adds the filter."""

    @staticmethod
    def getSaveFileName(parent: Any = None, caption: str = "", directory: str = "", filter: str = "") -> str:
        return QtWidgets.QFileDialog.getSaveFileName(parent, caption, directory, filter)[0]

    @staticmethod
    def getOpenFileName(parent: Any = None, caption: str = "", directory: str = "", filter: str = "") -> str:
        return QtWidgets.QFileDialog.getOpenFileName(parent, caption, directory, filter)[0]


def _qt_module() -> types.ModuleType:
    module = types.ModuleType("qt")
    for library in (QtCore, QtGui, QtWidgets):
        for name in dir(library):
            if name.startswith("Q"):
                setattr(module, name, getattr(library, name))
    for name, widget in WIDGETS.items():
        if name.startswith("Q"):
            setattr(module, name, widget)
    module.QUiLoader, module.QTimer, module.QFileDialog = UiLoader, Timer, FileDialog
    module.QSettings, module.QShortcut = _Settings, Shortcut
    return module


class _Settings:
    """qt.QSettings that stores nothing, so that tests do not see settings of other tests."""

    def value(self, _key: str, default: Any = None) -> Any:
        return default

    def setValue(self, _key: str, _value: Any) -> None:
        return None


def install() -> QtWidgets.QApplication:
    """Makes ``import qt``, ``import ctk`` and ``slicer.qMRML...`` work; starts the Qt application once."""
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication([])
    application.setStyle("fusion")
    if sys.version_info < (3, 12):
        # PySide6 releases references to None that it does not hold, a thousand in a test. Python would stop at its end
        # if none are left. From Python 3.12 on, None is immortal.
        ctypes.c_ssize_t.from_address(id(None)).value += 1 << 32
    sys.modules["qt"] = _qt_module()
    sys.modules["ctk"] = types.ModuleType("ctk")
    for name, widget in WIDGETS.items():
        if name.startswith("ctk"):
            setattr(sys.modules["ctk"], name, widget)
        elif name.startswith("qMRML"):
            setattr(slicer, name, widget)
    return application
