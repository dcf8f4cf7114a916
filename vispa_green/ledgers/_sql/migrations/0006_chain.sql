-- A chain over what each spool delivered: every link has the digest of its rows and of the link before, so that rows
-- that are changed, added or taken out behind the program's back are found. Rows from before have none.
CREATE TABLE spool_link (
    id             INTEGER PRIMARY KEY,
    spool_id       INTEGER NOT NULL REFERENCES spool (id),
    first_id       INTEGER NOT NULL,         -- its intervals: those of the spool from this row on,
    last_id        INTEGER NOT NULL,         -- to this one
    first_ended_us INTEGER NOT NULL,
    last_ended_us  INTEGER NOT NULL,
    digest         TEXT    NOT NULL          -- SHA-256, in hexadecimal
) STRICT;
CREATE INDEX spool_link_by_spool ON spool_link (spool_id, id);

INSERT INTO meta (key, value) SELECT 'chained_after', CAST(coalesce(max(id), 0) AS TEXT) FROM node_interval;

CREATE TRIGGER spool_link_kept BEFORE UPDATE ON spool_link BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER spool_link_held BEFORE DELETE ON spool_link
WHEN OLD.last_ended_us > (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'pruned_us')
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
