"""TumorGen's scene logic: between MRML nodes and the core, without Qt but for the widget's own pieces."""
