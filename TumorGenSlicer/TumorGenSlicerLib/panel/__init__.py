"""The parts of the panel; they use Qt."""
