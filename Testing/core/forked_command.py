"""The command line in a fork of a process that has its libraries; to import them takes longer than most commands."""

from __future__ import annotations

import importlib
import os
import sys
import traceback
from collections.abc import Iterable

__all__ = ["become_command", "load_libraries"]

#: What most commands import when they run.
_LIBRARIES = (
    "matplotlib.backends.backend_agg",
    "TumorGenCore.cli",
    "TumorGenCore.cohort.runner",
    "TumorGenCore.insertion.generator",
    "TumorGenCore.insertion.pictures",
    "TumorGenCore.insertion.variants",
    "TumorGenCore.phantom.phantom",
    "TumorGenCore.training.stages.autoencoder",
    "TumorGenCore.training.stages.generator",
)


def load_libraries(more: Iterable[str] = ()) -> None:
    """Loads what the commands import, and more; without threads of its own, the process can then be forked."""
    os.environ["OMP_NUM_THREADS"] = "1"
    for name in (*_LIBRARIES, *more):
        importlib.import_module(name)
    import torch

    torch.set_num_threads(1)


def become_command(arguments: list[str]) -> None:
    """Runs the command line in a forked process with the streams that it has, and never returns."""
    status = 1
    try:
        from TumorGenCore.cli import main

        status = main(arguments)
    except SystemExit as stop:  # argparse
        status = stop.code if isinstance(stop.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
