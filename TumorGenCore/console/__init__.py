"""What the command line and the Slicer script have in common: arguments, report, timing, exit status."""
