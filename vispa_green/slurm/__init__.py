"""What Slurm knows, asked through its own commands. The only place that runs them.

Their text output has been the same from Slurm 22.05 to 26.05, their JSON has not; so text it is. The
parsers are pure functions over that text.
"""
