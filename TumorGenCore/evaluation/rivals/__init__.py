"""Other ways to put a tumor into a box, which `tumorgen compare` measures beside TumorGen: one file each.

A rival is a callable from a site and a seed to an image in SUV and a 0/1 mask, both on the site's grid. All of them
change the image through the same window inside the box, so that only what they make differs.
"""
