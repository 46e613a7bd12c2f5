"""A trained model on disk: its weights and all settings that are tuned to them."""
