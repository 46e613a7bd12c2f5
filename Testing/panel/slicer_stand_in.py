"""The Python parts of the application that a scripted module needs, for tests without the application.

``slicer.ScriptedLoadableModule``, ``slicer.parameterNodeWrapper``, ``slicer.i18n``, ``slicer.packaging``,
``SampleData`` and the GUI half of ``slicer.app``. They raise as the real ones do: for a parameter of the wrong type or
outside its range, for an unknown name of a choice, for a parameter bound to a widget of the wrong class, and for a
sample with fields of unequal number.

They also have the real ones' faults. A wrapper of a parameter node keeps an observer for each parameter as long as it
lives, and another one for ever each time that it is bound. ``connectGui`` returns no tag to undo it with.
``SampleData.downloadSample`` does not call a custom downloader. Nothing is downloaded or installed.
"""

from __future__ import annotations

import enum
import importlib.machinery
import subprocess
import sys
import types
import typing
import unittest
import urllib.request
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import qt_stand_in
import slicer
import vtk
from PySide6 import QtCore, QtWidgets
from qt_stand_in import WIDGETS

__all__ = ["install"]


# ---------------------------------------------------------------------------------------------------------------
# slicer.parameterNodeWrapper


class WithinRange:
    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = minimum, maximum

    def validate(self, value: float) -> None:
        if not self.minimum <= value <= self.maximum:
            raise ValueError(f"{value} is not within {self.minimum} to {self.maximum}")


class _Parameter:
    """One typed value, stored as text or as a node reference in the parameter node."""

    def __init__(self, name: str, hint: Any, default: Any) -> None:
        self.name = name
        self.kind, *self.annotations = typing.get_args(hint) if typing.get_origin(hint) else (hint,)
        self.is_node = issubclass(self.kind, slicer.vtkMRMLNode)
        if not self.is_node and not issubclass(self.kind, (bool, int, float, str, enum.Enum)):
            raise TypeError(f"There is no serializer for {name}: {self.kind}")
        self.default = default if default is not None or self.is_node else self.kind()

    def write(self, node: Any, value: Any) -> None:
        accepted = (int, float) if self.kind is float else self.kind
        if not isinstance(value, accepted) and not (self.is_node and value is None):
            raise TypeError(f"{self.name} is of type {self.kind.__name__}, not {value!r}")
        for annotation in self.annotations:
            annotation.validate(value)
        with slicer.util.NodeModify(node):
            if self.is_node:
                node.SetParameter(self.name, "")
                node.SetNodeReferenceID(self.name, value.GetID() if value else None)
            else:
                node.SetParameter(self.name, value.name if isinstance(value, enum.Enum) else str(value))

    def read(self, node: Any) -> Any:
        if self.is_node:
            return node.GetNodeReference(self.name)
        if not node.HasParameter(self.name):
            self.write(node, self.default)
        text = node.GetParameter(self.name)
        if self.kind is bool:
            return text == "True"
        if issubclass(self.kind, enum.Enum):
            try:
                return self.kind[text]
            except KeyError as error:
                raise ValueError(f"Found {text!r} in parameter node but it is not a name in {self.kind!r}") from error
        return self.kind(text)


class _Cached:
    """The value of one parameter, which follows the parameter node until it is collected."""

    def __init__(self, parameter: _Parameter, node: Any) -> None:
        self.parameter, self.node = parameter, node
        self.value = parameter.read(node)
        alive = weakref.ref(self)
        self.tag = node.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: alive().refresh())

    def __del__(self) -> None:
        self.node.RemoveObserver(self.tag)

    def refresh(self) -> None:
        self.value = self.parameter.read(self.node)


class _Binding:
    """One widget that shows one parameter; the widget classes are those of Slicer's own connectors."""

    _BY_KIND: typing.ClassVar = {
        bool: {"QCheckBox": ("checked", "toggled"), "QPushButton": ("checked", "toggled")},
        int: {"QSpinBox": ("value", "valueChanged")},
        float: {"QDoubleSpinBox": ("value", "valueChanged")},
        enum.Enum: {"QComboBox": ("currentIndex", "currentIndexChanged")},
        slicer.vtkMRMLNode: {"qMRMLNodeComboBox": ("", "currentNodeChanged")},
    }

    def __init__(self, widget: Any, parameter: _Parameter) -> None:
        self.widget, self.parameter = widget, parameter
        family = next((k for k in self._BY_KIND if issubclass(parameter.kind, k)), None)
        ways = {WIDGETS[name]: way for name, way in self._BY_KIND.get(family, {}).items()}
        if type(widget) not in ways:
            raise RuntimeError(f"No connector from {type(widget).__name__} to {parameter.name}: {parameter.kind}")
        self.property, signal = ways[type(widget)]
        self.signal = getattr(widget, signal)
        if family is enum.Enum:
            widget.clear()
            widget.addItems([member.label() for member in parameter.kind])
        elif parameter.is_node:
            widget.nodeTypes = [parameter.kind().GetClassName()]
        for bounds in parameter.annotations:
            widget.minimum, widget.maximum = bounds.minimum, bounds.maximum

    def read(self) -> Any:
        if self.parameter.is_node:
            return self.widget.currentNode()
        value = getattr(self.widget, self.property)
        return list(self.parameter.kind)[value] if issubclass(self.parameter.kind, enum.Enum) else value

    def write(self, value: Any) -> None:
        if self.parameter.is_node:
            self.widget.setCurrentNode(value)
        elif isinstance(value, enum.Enum):
            self.widget.currentIndex = list(self.parameter.kind).index(value)
        else:
            setattr(self.widget, self.property, value)


class _Wrapper:
    """Methods that ``parameterNodeWrapper`` adds to a class of annotations."""

    allParameters: typing.ClassVar[dict[str, _Parameter]] = {}

    def __init__(self, parameterNode: Any) -> None:
        object.__setattr__(self, "parameterNode", parameterNode)
        object.__setattr__(self, "_bindings", {})
        object.__setattr__(self, "_showing", False)
        object.__setattr__(self, "_nextTag", 0)
        for parameter in self.allParameters.values():
            if not parameterNode.HasParameter(parameter.name):
                parameter.write(parameterNode, parameter.default)
        cached = {name: _Cached(parameter, parameterNode) for name, parameter in self.allParameters.items()}
        object.__setattr__(self, "_cached", cached)

    def __getattribute__(self, name: str) -> Any:
        parameters = type(self).allParameters
        if name in parameters:
            return object.__getattribute__(self, "_cached")[name].value
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        with slicer.util.NodeModify(self.parameterNode):
            self.allParameters[name].write(self.parameterNode, value)
            self._cached[name].refresh()

    def connectGui(self, ui: Any) -> None:
        names = {widget.property("SlicerParameterName"): widget for widget in vars(ui).values()}
        self.connectParametersToGui({name: widget for name, widget in names.items() if name})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        tag = self._nextTag
        object.__setattr__(self, "_nextTag", tag + 1)
        self._bindings[tag] = []
        for name, widget in mapping.items():
            binding = _Binding(widget, self.allParameters[name])
            binding.write(getattr(self, name))
            binding.receiver = lambda *_, b=binding: self._showing or setattr(self, b.parameter.name, b.read())
            binding.signal.connect(binding.receiver)
            self._bindings[tag].append(binding)
        self.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: self._show())
        return tag

    def disconnectGui(self, tag: int | None) -> None:
        for binding in self._bindings.pop(tag, []):
            binding.signal.disconnect(binding.receiver)

    def _show(self) -> None:
        if self._showing:
            return
        object.__setattr__(self, "_showing", True)
        try:
            for bindings in self._bindings.values():
                for binding in bindings:
                    binding.write(getattr(self, binding.parameter.name))
        finally:
            object.__setattr__(self, "_showing", False)

    def StartModify(self) -> int:
        return self.parameterNode.StartModify()

    def EndModify(self, wasModified: int) -> int:
        return self.parameterNode.EndModify(wasModified)

    def AddObserver(self, event: Any, callback: Callable, priority: float = 0.0) -> int:
        return self.parameterNode.AddObserver(event, callback, priority)

    def RemoveObserver(self, tag: int) -> None:
        self.parameterNode.RemoveObserver(tag)


def parameterNodeWrapper(described: type) -> type:
    hints = typing.get_type_hints(described, include_extras=True)
    parameters = {name: _Parameter(name, hint, getattr(described, name, None)) for name, hint in hints.items()}
    return type(described.__name__, (_Wrapper,), {"allParameters": parameters, "__doc__": described.__doc__})


# ---------------------------------------------------------------------------------------------------------------
# slicer.ScriptedLoadableModule


class ScriptedLoadableModule:
    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__

    def resourcePath(self, name: str) -> str:
        return str(Path(self.parent.path).parent / "Resources" / name)


class ScriptedLoadableModuleWidget:
    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Widget")
        self.parent, self.layout = parent, parent.layout()

    def setup(self) -> None:
        return None

    def resourcePath(self, name: str) -> str:
        return str(Path(sys.modules[self.moduleName].__file__).parent / "Resources" / name)


class ScriptedLoadableModuleLogic:
    def __init__(self, parent: Any = None) -> None:
        super().__init__()
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        found = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
        if found:
            return found
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        node.SetSingletonTag(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(self.moduleName)
        return slicer.mrmlScene.AddNode(node)


class ScriptedLoadableModuleTest(unittest.TestCase):
    def runTest(self) -> None:
        raise NotImplementedError

    def delayDisplay(self, message: str, _msec: int = 0) -> None:
        slicer.util.delayDisplay(message, 0)


# ---------------------------------------------------------------------------------------------------------------
# SampleData


class SampleDataSource:
    def __init__(self, sampleName: str, uris: str, fileNames: str, nodeNames: str, **options: Any) -> None:
        unknown = set(options) - {"customDownloader", "thumbnailFileName", "loadFileType", "loadFiles", "checksums"}
        if unknown or not all(isinstance(value, str) for value in (uris, fileNames, nodeNames)):
            raise ValueError(f"Not a sample data source: {unknown or (uris, fileNames, nodeNames)}")
        self.sampleName, self.uris, self.fileNames, self.nodeNames = sampleName, [uris], [fileNames], [nodeNames]
        self.customDownloader = options.get("customDownloader")
        self.thumbnailFileName = options.get("thumbnailFileName")


class SampleDataLogic:
    @staticmethod
    def registerCustomSampleDataSource(category: str = "Custom", **fields: Any) -> None:
        if not hasattr(slicer.modules, "sampleDataSources"):
            slicer.modules.sampleDataSources = {}
        slicer.modules.sampleDataSources.setdefault(category, []).append(SampleDataSource(**fields))

    def downloadFromSource(self, source: SampleDataSource) -> list[Any]:
        nodes = []
        for uri, fileName, nodeName in zip(source.uris, source.fileNames, source.nodeNames, strict=True):
            path = Path(slicer.mrmlScene.GetCacheManager().GetRemoteCacheDirectory()) / fileName
            if not path.exists() or path.stat().st_size == 0:
                try:
                    urllib.request.urlretrieve(uri, path)
                except OSError:
                    continue
            node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", nodeName)
            node.AddDefaultStorageNode()
            node.GetStorageNode().SetFileName(str(path))
            if node.GetStorageNode().ReadData(node):
                node.CreateDefaultDisplayNodes()
                nodes.append(node)
        return nodes


def downloadSample(sampleName: str) -> Any:
    sources = [source for group in slicer.modules.sampleDataSources.values() for source in group]
    (source,) = (source for source in sources if source.sampleName == sampleName)
    return SampleDataLogic().downloadFromSource(source)[0]


# ---------------------------------------------------------------------------------------------------------------
# slicer.packaging


def load_requirements(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split()


def pip_ensure(_requirements: list[str], **_options: Any) -> None:
    raise subprocess.CalledProcessError(1, "pip install")


# ---------------------------------------------------------------------------------------------------------------
# slicer.app


class _Emitter(QtCore.QObject):
    startupCompleted = QtCore.Signal()


class Application:
    """The GUI half of ``slicer.app``; the other half, the scene's logics, comes from the boot."""

    applicationName, applicationVersion = "Slicer", "5.12.3"
    isTesting = False

    def __init__(self, qtApplication: Any, applicationLogic: Any) -> None:
        self._qt, self._logic, self._emitter = qtApplication, applicationLogic, _Emitter()
        self.layout = None

    def applicationLogic(self) -> Any:
        return self._logic

    def connect(self, signature: str, receiver: Callable) -> None:
        if signature != "startupCompleted()":
            raise AttributeError(f"The stand-in's application has no signal {signature}")
        self._emitter.startupCompleted.connect(receiver)

    def completeStartup(self) -> None:
        self._emitter.startupCompleted.emit()

    def processEvents(self, *_flags: Any) -> None:
        self._qt.processEvents()

    def testingEnabled(self) -> bool:
        return self.isTesting

    def topLevelWidgets(self) -> list[Any]:
        return []

    def layoutManager(self) -> Any:
        return self.layout

    def setOverrideCursor(self, cursor: Any) -> None:
        QtWidgets.QApplication.setOverrideCursor(cursor)

    def restoreOverrideCursor(self) -> None:
        QtWidgets.QApplication.restoreOverrideCursor()


def _module(name: str, **names: Any) -> None:
    module = types.ModuleType(name)
    module.__spec__ = importlib.machinery.ModuleSpec(name, None)
    vars(module).update(names, __all__=list(names))
    sys.modules[name] = module
    parent, _, child = name.rpartition(".")
    if parent:
        setattr(sys.modules[parent], child, module)


def install(applicationLogic: Any) -> Application:
    """Installs Qt's and Slicer's stand-ins; needs a booted scene. Returns ``slicer.app``."""
    slicer.app = Application(qt_stand_in.install(), applicationLogic)
    _module("slicer.parameterNodeWrapper", parameterNodeWrapper=parameterNodeWrapper, WithinRange=WithinRange)
    _module(
        "slicer.ScriptedLoadableModule",
        ScriptedLoadableModule=ScriptedLoadableModule,
        ScriptedLoadableModuleWidget=ScriptedLoadableModuleWidget,
        ScriptedLoadableModuleLogic=ScriptedLoadableModuleLogic,
        ScriptedLoadableModuleTest=ScriptedLoadableModuleTest,
    )
    _module("slicer.i18n", tr=lambda text: text, translate=lambda _context, text: text)
    _module("slicer.packaging", load_requirements=load_requirements, pip_ensure=pip_ensure)
    _module(
        "SampleData",
        SampleDataLogic=SampleDataLogic,
        SampleDataSource=SampleDataSource,
        downloadSample=downloadSample,
    )
    return slicer.app
