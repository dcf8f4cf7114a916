"""Bundled physics workloads (grow with their own issue)."""
