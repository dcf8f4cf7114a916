"""The loop on a node: read counters and jobs in one pass, account, make durable, deliver."""
