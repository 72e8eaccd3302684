"""Ablations: what the parts of a mixture are worth, measured by training without them."""
