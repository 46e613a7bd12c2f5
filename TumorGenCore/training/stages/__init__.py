"""What is trained: VAE, vector field with refiner, segmenter, rivals."""
