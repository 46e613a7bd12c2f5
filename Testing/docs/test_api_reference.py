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
    modules = (p.relative_to(REPOSITORY) for p in (REPOSITORY / "TumorGenCore").rglob("*.py") if p.stem != "__init__")
    expected = [path.with_suffix(".html") for path in modules if "cli" not in path.parts]
    assert len(expected) > 100 and not [path for path in expected if not (tmp_path / path).is_file()]
    first = (tmp_path / "TumorGenCore.html").read_text(encoding="utf-8")
    assert not [name for name in TumorGenCore.__all__ if f'id="{name}"' not in first]


@pytest.mark.parametrize("name", TumorGenCore.__all__)
def test_public_functions_say_what_they_take_and_raise(name: str) -> None:
    value = getattr(TumorGenCore, name)
    text = inspect.getdoc(value)
    assert text
    if inspect.isfunction(value) and inspect.signature(value).parameters:
        assert "Args:" in text
