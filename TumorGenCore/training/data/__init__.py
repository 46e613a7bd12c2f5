"""Cases, examples and latents."""
