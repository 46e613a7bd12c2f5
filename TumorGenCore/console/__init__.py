"""Shared by the command line and the Slicer script: arguments, report, timing and exit status."""
