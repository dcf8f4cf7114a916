"""Stand-ins for a computing centre on one machine: a throwaway real Slurm and the hardware it lacks here."""
