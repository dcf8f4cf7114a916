"""The account in a database: one set of SQL for every engine; `sqlite` and `postgresql` beside it are the engines."""
