"""The pieces of the ledger in a SQLite file; `vispa_green.ledgers.sqlite` puts them together."""
