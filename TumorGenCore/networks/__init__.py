"""The paper's networks: 3D VAE, SC-VFE (vector field), VMR (mask refiner)."""
