"""A blind reader study: makes a set of real and synthetic lesions, and scores the answers of its readers."""
