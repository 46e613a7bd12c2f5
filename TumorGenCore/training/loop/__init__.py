"""The loop that all stages share."""
