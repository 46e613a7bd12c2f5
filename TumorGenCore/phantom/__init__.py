"""A digital whole-body FDG phantom."""
