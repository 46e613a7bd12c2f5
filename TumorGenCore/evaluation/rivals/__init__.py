"""Other methods to put a tumor into a box, which `tumorgen compare` compares with TumorGen; one file each.

A rival is a callable from a site and a seed to an image in SUV and a 0/1 mask, both on the grid of the site. All rivals
change the image through the same window inside the box, so that only their tumors differ.
"""
