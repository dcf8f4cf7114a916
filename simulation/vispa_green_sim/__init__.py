"""Simulation of green interventions on a cluster's own job history; ``docs/simulation/engine.md`` is the tour."""
