"""Can classifiers tell synthetic lesions from real ones? The two-sample test of an evaluation."""
