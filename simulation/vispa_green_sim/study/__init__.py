"""Studies: scenarios × seeds on paired, shaken replications. `vispa_green_sim.study.command` is the way in.

The data flow: ``spec`` (the file) → ``ground`` (what all replications share) → ``replication`` (one seed,
one scenario, against the same seed without measures) → ``store`` (one file each) → ``summary`` → report.
"""
