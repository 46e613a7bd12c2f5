"""The networks' layers on a CPU: MONAI's blocks with less work around them, and convolutions by oneDNN."""
