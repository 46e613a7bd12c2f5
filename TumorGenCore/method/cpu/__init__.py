"""Fast layers for CPUs: MONAI's blocks with less work around the convolutions, and convolutions by oneDNN."""
