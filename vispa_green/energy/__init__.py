"""From counters to what a job, a week, a node cost. Pure: no I/O, no clock."""
