"""The module opens without torch and MONAI and names what is missing when the user starts a run; in an older Slicer, it
opens and says so.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("slicer", reason="needs slicer-core")
pytest.importorskip("PySide6", reason="needs PySide6-Essentials")

_ROOT = Path(__file__).resolve().parents[2]

#: A Slicer without them: opens the panel, places a box, presses Apply.
_SESSION = """
import importlib.abc, importlib.metadata, importlib.util, sys

HEAVY = {"torch", "monai", "safetensors", "einops", "matplotlib", "pydicom", "pandas"}
attempts = []

class Missing(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name in HEAVY:
            attempts.append(name)
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

find = importlib.util.find_spec
importlib.util.find_spec = lambda name, *rest: None if name in HEAVY else find(name, *rest)
sys.meta_path.insert(0, Missing())
distribution = importlib.metadata.distribution

def known(name):
    if name in HEAVY:
        raise importlib.metadata.PackageNotFoundError(name)
    return distribution(name)

importlib.metadata.distribution = known

import slicer_stand_in
from slicer_boot import boot
app = slicer_stand_in.install(boot())
import numpy as np
import slicer
from open_panel import add_slice_views, open_panel
add_slice_views()
slicer.util.addVolumeFromArray(np.ones((30, 30, 30), np.float32), np.diag([4.0, 4.0, 4.0, 1.0]), "PET")
panel = open_panel()
panel.onBoxPlaced([58.0, 58.0, 58.0])
assert panel.ui.applyButton.enabled, panel.ui.statusLabel.text
assert not attempts, attempts
shown = []
slicer.util.errorDisplay = lambda text, **_: shown.append(text)
sys.excepthook = lambda *_: None
panel.ui.applyButton.click()
assert not panel.runMonitor.isActive
assert panel.ui.applyButton.enabled
assert panel.logic.results == []
panel.cleanup()
print(shown)
"""


def test_the_panel_opens_without_torch_and_says_so_on_apply() -> None:
    paths = [str(_ROOT / part) for part in ("", "TumorGenSlicer", "Testing/slicer", "Testing/panel")]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(
        [sys.executable, "-c", _SESSION], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "TumorGen needs PyTorch: install the PyTorch extension" in done.stdout
    assert "could not be inserted" in done.stdout


#: A Slicer before 5.12, which has no slicer.packaging: opens the panel.
_OLD_SESSION = """
import sys, types

def module(name, **names):
    made = sys.modules[name] = types.ModuleType(name)
    vars(made).update(names)
    return made

class Label:
    def __init__(self, text):
        shown.append(text)

class Layout:
    def addWidget(self, widget): pass
    def addStretch(self, stretch): pass

class Widget:
    def __init__(self, parent=None):
        self.layout = Layout()
    def setup(self): pass

class Module:
    def __init__(self, parent):
        self.parent = parent

shown = []
slicer = module("slicer", app=types.SimpleNamespace(applicationVersion="5.8.1"), __path__=[])
module("slicer.i18n", tr=lambda text: text, translate=lambda context, text: text)
module("slicer.ScriptedLoadableModule", ScriptedLoadableModule=Module, ScriptedLoadableModuleWidget=Widget)
module("qt", QLabel=Label)
import TumorGenSlicer
TumorGenSlicer.TumorGenSlicer(types.SimpleNamespace())
TumorGenSlicer.TumorGenSlicerWidget().setup()
print(sys.version_info[:2], shown)
"""


@pytest.mark.parametrize("python", [sys.executable, "python3.9"])  # Slicer 5.8 has Python 3.9.
def test_an_older_slicer_opens_the_module_and_says_which_one_it_needs(python: str, tmp_path: Path) -> None:
    if subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode:
        pytest.skip(f"{python} is not here")
    # Python's own path only: the tests' environment has another slicer.
    environment = os.environ | {"PYTHONPATH": str(_ROOT / "TumorGenSlicer"), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python, "-S", "-c", _OLD_SESSION], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("['TumorGen needs Slicer 5.12 or newer. This is Slicer 5.8.1.']\n")


@pytest.mark.parametrize(
    "file", ["TumorGenSlicer.py", "TumorGenSlicerLib/__init__.py", "TumorGenSlicerLib/panel/old_slicer.py"]
)
def test_an_older_python_can_read_what_says_so(file: str) -> None:
    ast.parse((_ROOT / "TumorGenSlicer" / file).read_text(encoding="utf-8"), feature_version=(3, 7))
