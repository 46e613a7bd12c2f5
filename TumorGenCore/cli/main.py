"""Lists the commands of the program and runs them.

``console/running.py`` lists the exit statuses. A command imports heavy packages only when it runs, so that ``--help``
is quick.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from TumorGenCore.cli import (
    ablate,
    again,
    compare,
    contact_sheet,
    evaluate,
    export,
    gather,
    insert,
    judge_shapes,
    models,
    phantom,
    prepare,
    reader_study,
    synthesize,
    tell_apart,
    train,
    usefulness,
)
from TumorGenCore.console.arguments import join_box
from TumorGenCore.console.running import run_command

__all__ = ["main"]

_PROGRAM = "tumorgen"
_COMMANDS = (
    insert,
    again,
    synthesize,
    gather,
    contact_sheet,
    export,
    prepare,
    train,
    evaluate,
    tell_apart,
    judge_shapes,
    compare,
    ablate,
    usefulness,
    reader_study,
    models,
    phantom,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and returns the exit status."""
    options = _parser().parse_args(join_box(sys.argv[1:] if arguments is None else arguments))
    return run_command(_PROGRAM, options, options.run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=_PROGRAM,
        description="Make synthetic tumors with masks in FDG-PET from a rough box. For research, not for diagnosis.",
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for command in _COMMANDS:
        command.add_command(commands)
    return parser
