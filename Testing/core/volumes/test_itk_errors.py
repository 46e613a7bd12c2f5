"""The reason of an ITK error reaches the user whole."""

from __future__ import annotations

import pytest
import SimpleITK as sitk
from odd_files import nrrd

from TumorGenCore.volumes.itk_errors import itk_reason


def test_decisive_reason_at_the_end_is_kept(tmp_path):
    folder = tmp_path / ("long" * 20) / ("name" * 20)
    folder.mkdir(parents=True)
    path = nrrd(folder / "a.nhdr", b"", data_file="lost.raw")
    with pytest.raises(RuntimeError) as caught:
        sitk.ReadImage(path)
    reason = itk_reason(caught.value)
    assert "lost.raw" in reason and "for reading" in reason
    assert "0x" not in reason and ".cxx" not in reason
