"""How much memory, time and CPUs a job needs, from what like jobs used; and how often such rules fail."""
