"""The guided tour: a real Slurm accounts its jobs' energy and starts one of them in a green window."""
