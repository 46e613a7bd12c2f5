"""Runs, for the console, the script and the panel."""
