"""A finished folder of ``tumorgen synthesize`` in the formats of other tools: nnU-Net, BIDS, MONAI, Croissant."""
