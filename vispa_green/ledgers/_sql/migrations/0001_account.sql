-- The account as version 1 had it; what follows makes of it what it is today.
-- Times are UTC microseconds since 1970, energies microjoules, both exact integers.

CREATE TABLE node_interval (
    id          INTEGER PRIMARY KEY,
    node        TEXT    NOT NULL,
    spool       TEXT    NOT NULL,            -- (spool, sequence) names an interval once and for all,
    sequence    INTEGER NOT NULL,            -- so that a second delivery changes nothing
    boot_id     TEXT    NOT NULL,
    start_us    INTEGER NOT NULL,
    end_us      INTEGER NOT NULL CHECK (end_us >= start_us),
    duration_us INTEGER NOT NULL CHECK (duration_us >= 0),
    quality     TEXT    NOT NULL CHECK (quality IN ('measured', 'gap')),
    reason      TEXT    NOT NULL,
    received_us INTEGER NOT NULL,
    UNIQUE (spool, sequence)
) STRICT;
CREATE INDEX node_interval_by_time ON node_interval (start_us, end_us);

-- One balanced transaction for each device and interval. NULL: nothing could be read.
CREATE TABLE energy_entry (
    interval_id INTEGER NOT NULL REFERENCES node_interval (id),
    component   TEXT    NOT NULL,
    device      TEXT    NOT NULL,
    quality     TEXT    NOT NULL CHECK (quality IN ('measured', 'estimated', 'gap')),
    measured_uj INTEGER CHECK (measured_uj >= 0),
    jobs_uj     INTEGER CHECK (jobs_uj >= 0),
    idle_uj     INTEGER CHECK (idle_uj >= 0),
    system_uj   INTEGER CHECK (system_uj >= 0),
    reason      TEXT    NOT NULL,
    PRIMARY KEY (interval_id, device),
    CHECK ((measured_uj IS NULL) = (jobs_uj IS NULL)),
    CHECK (measured_uj IS NULL OR measured_uj = jobs_uj + idle_uj + system_uj)
) STRICT, WITHOUT ROWID;

-- What the entry's jobs_uj consists of.
CREATE TABLE job_share (
    job_id      TEXT    NOT NULL,
    interval_id INTEGER NOT NULL REFERENCES node_interval (id),
    device      TEXT    NOT NULL,
    busy_uj     INTEGER NOT NULL CHECK (busy_uj >= 0),
    idle_uj     INTEGER NOT NULL CHECK (idle_uj >= 0),
    PRIMARY KEY (job_id, interval_id, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_presence (
    job_id         TEXT    NOT NULL,
    interval_id    INTEGER NOT NULL REFERENCES node_interval (id),
    uid            INTEGER,
    cpu_ns         INTEGER NOT NULL,
    present_us     INTEGER NOT NULL,
    allocated_cpus INTEGER,
    PRIMARY KEY (job_id, interval_id)
) STRICT, WITHOUT ROWID;

-- What the batch system said of a job; the newest row of a job holds.
CREATE TABLE job_fact (
    id          INTEGER PRIMARY KEY,
    job_id      TEXT    NOT NULL,
    recorded_us INTEGER NOT NULL,
    fact        TEXT    NOT NULL             -- JSON of model.JobFact
) STRICT;
CREATE INDEX job_fact_by_job ON job_fact (job_id, id);

-- Every issue of every grid value, so that a forecast can be looked at as it was then.
CREATE TABLE grid_value (
    id         INTEGER PRIMARY KEY,
    quantity   TEXT    NOT NULL,
    kind       TEXT    NOT NULL CHECK (kind IN ('measured', 'forecast')),
    source     TEXT    NOT NULL,
    start_us   INTEGER NOT NULL,
    end_us     INTEGER NOT NULL CHECK (end_us > start_us),
    value      REAL    NOT NULL,
    issued_us  INTEGER NOT NULL,
    fetched_us INTEGER NOT NULL
) STRICT;
CREATE INDEX grid_value_by_time ON grid_value (quantity, start_us, kind, source);

CREATE TABLE promise (
    id           INTEGER PRIMARY KEY,
    job_id       TEXT    NOT NULL,
    submitted_us INTEGER NOT NULL,
    promise      TEXT    NOT NULL            -- JSON of model.Promise
) STRICT;
CREATE INDEX promise_by_job ON promise (job_id);

CREATE TRIGGER node_interval_kept BEFORE UPDATE ON node_interval BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER node_interval_held BEFORE DELETE ON node_interval BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER energy_entry_kept BEFORE UPDATE ON energy_entry BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER energy_entry_held BEFORE DELETE ON energy_entry BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_share_kept BEFORE UPDATE ON job_share BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_share_held BEFORE DELETE ON job_share BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_presence_kept BEFORE UPDATE ON job_presence BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_presence_held BEFORE DELETE ON job_presence BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_fact_kept BEFORE UPDATE ON job_fact BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_fact_held BEFORE DELETE ON job_fact BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER grid_value_kept BEFORE UPDATE ON grid_value BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER grid_value_held BEFORE DELETE ON grid_value BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER promise_kept BEFORE UPDATE ON promise BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER promise_held BEFORE DELETE ON promise BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
