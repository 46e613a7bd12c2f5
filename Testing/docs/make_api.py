"""Writes the API reference from the docstrings: ``python Testing/docs/make_api.py build/api``."""

from __future__ import annotations

import pkgutil
import sys
from pathlib import Path

import pdoc

import TumorGenCore
from TumorGenCore.insertion import placed, prepared


def make_api(folder: Path) -> None:
    """Writes a page for every module of ``TumorGenCore`` but the command line; open ``index.html`` in the folder."""
    for name in TumorGenCore.__all__:  # pdoc looks at what the package holds, and its names are imported on first use.
        setattr(TumorGenCore, name, getattr(TumorGenCore, name))
    # pdoc looks for the types of inherited fields in the module of the subclass.
    vars(prepared).update({name: value for name, value in vars(placed).items() if name not in vars(prepared)})
    pdoc.render.configure(docformat="google", show_source=False)
    parts = [module.name for module in pkgutil.iter_modules(TumorGenCore.__path__, "TumorGenCore.")]
    pdoc.pdoc("TumorGenCore", *(name for name in parts if name != "TumorGenCore.cli"), output_directory=folder)


if __name__ == "__main__":
    make_api(Path(sys.argv[1]))
