"""What every Slurm job costs in energy and CO2, and a way to run it when the grid is green."""

__version__ = "0.1.0"
