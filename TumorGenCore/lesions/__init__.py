"""Lesions: the part that takes up tracer, their measures, and the quality of a synthetic one."""
