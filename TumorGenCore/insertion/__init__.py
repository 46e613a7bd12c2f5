"""Insertion: from a volume and a rough box to a synthetic image and its mask."""
