"""Studies: scenarios × seeds on paired, shaken replications. `vispa_green_sim.studying` is the way in.

The data flow: ``spec`` (the file) → ``preparing`` (what all replications share) → ``replication`` (one seed,
one scenario, against the same seed without interventions) → ``store`` (one file each) → ``summary`` → report.
"""
