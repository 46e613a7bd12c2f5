"""The API reference is built from the docstrings, and says what the public names need."""

from __future__ import annotations

import inspect
import subprocess
import sys
from pathlib import Path

import pytest
from guides import REPOSITORY

import TumorGenCore


@pytest.mark.slow
def test_the_reference_has_a_page_for_every_module_and_every_public_name(tmp_path: Path) -> None:
    pytest.importorskip("pdoc", reason="needs the extra 'docs'")
    command = [sys.executable, str(REPOSITORY / "Testing" / "docs" / "make_api.py"), str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 0 and not done.stderr, done.stderr
    modules = [p for p in (REPOSITORY / "TumorGenCore").rglob("*.py") if p.name not in ("__init__.py", "__main__.py")]
    assert len(list((tmp_path / "TumorGenCore").rglob("*.html"))) >= len(modules)
    first = (tmp_path / "TumorGenCore.html").read_text(encoding="utf-8")
    assert not [name for name in TumorGenCore.__all__ if f'id="{name}"' not in first]


@pytest.mark.parametrize("name", TumorGenCore.__all__)
def test_public_functions_say_what_they_take_and_raise(name: str) -> None:
    value = getattr(TumorGenCore, name)
    text = inspect.getdoc(value)
    assert text
    if inspect.isfunction(value) and inspect.signature(value).parameters:
        assert "Args:" in text
