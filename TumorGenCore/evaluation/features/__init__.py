"""What is measured of lesions, and how samples of them are compared."""
