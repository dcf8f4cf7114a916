"""Differentiable binning for signal significance (grows with its own issue)."""
