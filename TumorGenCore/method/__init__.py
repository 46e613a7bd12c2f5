"""The method of the paper, one part per file: VAE, BA-PMG, SC-VFE, VMR, losses, solver and time grid."""
