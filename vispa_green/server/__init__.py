"""The account as a service: one machine keeps the ledger, everybody else asks it over HTTP."""
