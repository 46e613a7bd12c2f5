"""Features of lesions, and comparisons of samples of lesions."""
