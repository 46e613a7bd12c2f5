"""What a lesion is: where it takes up tracer, its measures, how good a synthetic one is."""
