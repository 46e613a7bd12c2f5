"""Transforms for training pipelines of MONAI: synthetic tumors on the fly."""
