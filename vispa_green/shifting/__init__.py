"""When a job should start, what it was promised, what came of it. Pure: no I/O, no clock."""
