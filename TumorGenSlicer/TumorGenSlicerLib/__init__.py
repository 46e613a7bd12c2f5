"""Library of the Slicer module: connects MRML nodes with the core. Only ``panel`` uses Qt."""
