"""Runs: what the console, the script and the panel call."""
