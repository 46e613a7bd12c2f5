"""The headless script: its options, its work and its exit status."""
