"""Pieces that several jobs are built from. They import NumPy or torch at once, so import them inside ``run``."""
