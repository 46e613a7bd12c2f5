"""The paper, one part a file: VAE, BA-PMG, SC-VFE, VMR, losses, solver and time grid."""
