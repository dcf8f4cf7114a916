"""Times as people and Slurm write them, zones, and limits on waiting."""
