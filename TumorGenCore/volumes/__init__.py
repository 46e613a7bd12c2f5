"""Where voxels are and what they measure; reading and writing them."""
