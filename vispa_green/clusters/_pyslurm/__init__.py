"""pyslurm in a process of its own, which it may end."""
