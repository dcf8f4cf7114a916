"""What slurmrestd is asked, and how its JSON is read."""
