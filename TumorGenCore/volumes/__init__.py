"""Volumes: geometry and units of voxels, reading and writing of files."""
