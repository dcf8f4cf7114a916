"""Simulation of green measures on a cluster's own job history (grows with its own issue)."""
