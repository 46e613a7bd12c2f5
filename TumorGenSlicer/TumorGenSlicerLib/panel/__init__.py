"""The panel's own pieces; they know Qt."""
