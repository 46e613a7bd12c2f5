"""A process with a decimal comma reads and writes decimal points, and keeps its comma elsewhere."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest
import SimpleITK as sitk
from odd_files import nrrd

CODE = """
import locale, sys, threading, warnings
warnings.simplefilter("ignore")
locale.setlocale(locale.LC_ALL, "de_DE.UTF-8")
import numpy as np, SimpleITK as sitk
from TumorGenCore.volumes.c_locale import c_numbers
from TumorGenCore.volumes.read import read_volume
from TumorGenCore.volumes.write import write_volume

def point():
    return locale.localeconv()["decimal_point"]

image = read_volume(sys.argv[1]).image
assert image.GetSpacing() == (4.07, 4.07, 3.27), image.GetSpacing()
write_volume(image, sys.argv[2])
assert point() == ","

inside, leave = threading.Event(), threading.Event()
def other():
    with c_numbers():
        inside.set()
        leave.wait(10)
thread = threading.Thread(target=other)
with c_numbers():
    thread.start()
    inside.wait(10)
    assert point() == "."
assert point() == "."  # the other thread still needs it
leave.set()
thread.join()
assert point() == ","
try:
    with c_numbers():
        raise KeyError
except KeyError:
    assert point() == ","
"""


@pytest.mark.skipif(not shutil.which("localedef"), reason="needs localedef to make a locale with a decimal comma")
def test_a_decimal_comma_changes_nothing(tmp_path):
    made = ["localedef", "-i", "de_DE", "-f", "UTF-8", str(tmp_path / "de_DE.UTF-8")]
    if subprocess.run(made, capture_output=True, check=False).returncode not in (0, 1):
        pytest.skip("the sources of the locale de_DE are not installed")
    source = nrrd(tmp_path / "a.nrrd", space_directions="(4.07,0,0) (0,4.07,0) (0,0,3.27)")
    written = tmp_path / "b.nrrd"
    environment = os.environ | {"LOCPATH": str(tmp_path)}
    subprocess.run([sys.executable, "-c", CODE, source, written], env=environment, check=True)
    assert sitk.ReadImage(written).GetSpacing() == (4.07, 4.07, 3.27)
