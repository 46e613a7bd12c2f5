"""The trainings: VAE, vector field with refiner, segmenter, rivals."""
