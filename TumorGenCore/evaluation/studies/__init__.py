"""Studies with trainings or insertions of their own: ablation, rivals, usefulness."""
