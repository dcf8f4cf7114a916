"""Bundled physics workloads: published methods on exact toys, which pause, resume and judge themselves.

A job is a folder of `vispa_green_jobs.catalogue` with a `job.toml` and a pure ``run(settings, context)``;
everything else (signals, checkpoints, energy, claims, reports, batch scripts) is here and shared.
"""
