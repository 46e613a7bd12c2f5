"""`tumorgen ...`: the command line, a file a command."""

from TumorGenCore.cli.main import main

__all__ = ["main"]
