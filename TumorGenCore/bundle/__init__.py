"""A trained model on disk: weights and everything that is tuned to them."""
