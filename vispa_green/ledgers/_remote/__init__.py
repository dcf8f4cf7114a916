"""A ledger that a server keeps: each method of a book is one request (`vispa_green.calls`)."""
