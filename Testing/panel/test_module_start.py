"""The module opens without torch and MONAI; it names the missing packages when the user starts a run."""

from __future__ import annotations

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
import importlib.abc, importlib.util, sys

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
    assert "torch" in done.stdout
    assert "could not be inserted" in done.stdout
