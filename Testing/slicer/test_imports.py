"""Rules for imports: their directions in the library, and what the module imports at its start. That is the standard
library and what Slicer includes; only a run imports torch and monai."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

MODULE = Path(__file__).resolve().parents[2] / "TumorGenSlicer"
CORE = MODULE.parent / "TumorGenCore"
ALLOWED = {"slicer", "vtk", "numpy", "scipy", "SimpleITK", "qt", "ctk", "SampleData"}
#: Package of the library -> the packages whose modules may be imported in it.
DIRECTIONS = {
    "scene": {"scene"},
    "run": {"scene", "run"},
    "panel": {"scene", "run", "panel"},
    "headless": {"scene", "run", "headless"},
}
WITHOUT_QT = [
    "headless.main",
    "run.dependencies",
    "run.insertion",
    "run.live_preview",
    "run.logic",
    "run.packages",
    "run.preview_run",
    "run.self_test",
    "run.self_test_report",
    "run.under_way",
    "run.worker",
    "scene.geometry",
    "scene.preview_nodes",
    "scene.result_nodes",
    "scene.results",
    "scene.scene_guard",
    "scene.units",
]


def atFileScope(path: Path) -> set[str]:
    """Modules that a file imports when it is imported; not those for type checkers only."""
    found = set()
    pending: list[ast.stmt] = list(ast.parse(path.read_text(encoding="utf-8")).body)
    while pending:
        statement = pending.pop()
        if isinstance(statement, ast.Import):
            found |= {alias.name for alias in statement.names}
        elif isinstance(statement, ast.ImportFrom):
            found.add(statement.module or "")
            found |= {f"{statement.module}.{alias.name}" for alias in statement.names}
        elif isinstance(statement, ast.If) and "TYPE_CHECKING" in ast.unparse(statement.test):
            pending += statement.orelse
        elif not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            pending += [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)]
    return found


def importedFrom(start: Path) -> set[str]:
    """Top-level names that a file imports, directly or through files of the library and the core."""
    outside: set[str] = set()
    seen: set[Path] = set()
    pending = [start]
    while pending:
        path = pending.pop()
        if path in seen:
            continue
        seen.add(path)
        for name in atFileScope(path):
            root, *rest = name.split(".")
            if root not in ("TumorGenCore", "TumorGenSlicerLib"):
                outside.add(root)
                continue
            package = CORE if root == "TumorGenCore" else MODULE / root
            pending += [p for p in (package / "__init__.py", package.joinpath(*rest).with_suffix(".py")) if p.is_file()]
    return outside


def importedAnywhere(path: Path) -> set[str]:
    """All modules that a file imports, also inside functions and for type checkers only."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name} imports by a relative name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", DIRECTIONS)
def test_imports_inside_the_library_go_one_way(package):
    files = sorted((MODULE / "TumorGenSlicerLib" / package).rglob("*.py"))
    assert files
    for path in files:
        names = [name.split(".") for name in importedAnywhere(path)]
        assert not [name for name in names if name[0] == "TumorGenSlicer"], path.name
        packages = {name[1] for name in names if name[0] == "TumorGenSlicerLib"}
        assert packages <= DIRECTIONS[package], path.name


def test_every_package_of_the_library_has_its_direction():
    library = MODULE / "TumorGenSlicerLib"
    assert {path.relative_to(library).parts[0] for path in library.rglob("*.py")} == {*DIRECTIONS, "__init__.py"}
    assert importedAnywhere(library / "__init__.py") == set()


def test_the_directions_count_imports_in_functions_and_for_type_checkers(tmp_path):
    guilty = tmp_path / "guilty.py"
    guilty.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from TumorGenSlicerLib.panel import parameters\n"
        "def run():\n    import TumorGenSlicerLib.run.logic\n"
    )
    assert {"TumorGenSlicerLib.panel.parameters", "TumorGenSlicerLib.run.logic"} <= importedAnywhere(guilty)


@pytest.mark.parametrize(
    "path",
    [
        MODULE / "TumorGenSlicer.py",
        MODULE / "Scripts" / "insert_tumor.py",
        *sorted(MODULE.glob("TumorGenSlicerLib/**/*.py")),
    ],
    ids=lambda path: path.name,
)
def test_files_of_the_module_import_only_what_slicer_brings(path):
    assert importedFrom(path) - ALLOWED - set(sys.stdlib_module_names) == set()


def test_the_check_sees_through_files(tmp_path):
    guilty = tmp_path / "guilty.py"
    guilty.write_text("try:\n    from TumorGenCore.insertion import generator\nexcept ImportError:\n    pass\n")
    assert {"torch"} <= importedFrom(guilty)
    innocent = tmp_path / "innocent.py"
    innocent.write_text("def run():\n    import torch\n")
    assert importedFrom(innocent) == set()


def test_importing_the_library_loads_neither_torch_nor_monai():
    pytest.importorskip("slicer", reason="needs slicer-core")
    names = ", ".join(f"TumorGenSlicerLib.{name}" for name in WITHOUT_QT)
    code = (
        f"import sys; sys.path.insert(0, {str(MODULE)!r}); import {names}\n"
        "print([name for name in ('torch', 'monai', 'pydicom', 'matplotlib', 'qt', 'PySide6') if name in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "[]"
