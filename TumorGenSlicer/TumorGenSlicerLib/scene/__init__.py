"""The scene: geometry, units, nodes."""
