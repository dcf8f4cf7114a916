"""Simulation of green measures on a cluster's own job history; ``docs/simulation/engine.md`` is the tour."""
