-- How planned starts were changed while their jobs waited; a row of the table promise says what was planned first.
-- Younger than the schema of version 1, and made where it is missing: to older programs it is just not there.

CREATE TABLE IF NOT EXISTS move (
    id       INTEGER PRIMARY KEY,
    job_id   TEXT    NOT NULL,
    moved_us INTEGER NOT NULL,
    move     TEXT    NOT NULL                -- JSON of model.Move
) STRICT;
CREATE INDEX IF NOT EXISTS move_by_job ON move (job_id);
CREATE TRIGGER IF NOT EXISTS move_kept BEFORE UPDATE ON move BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER IF NOT EXISTS move_held BEFORE DELETE ON move BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
