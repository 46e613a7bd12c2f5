"""Comparisons that train or insert anew: ablation, rivals, usefulness."""
