"""The command line `tumorgen`, with one module for each command."""

from TumorGenCore.cli.main import main

__all__ = ["main"]
