"""Training of the VAE, then of SC-VFE and VMR together."""
