-- Who a job is, raw rows that refer to it, and the roll-ups that are kept for ever.
-- Times are UTC microseconds since 1970, quarters are quarter-hours since 1970, energies microjoules: all exact.
-- The old tables stand aside under other names until 0002_books.py has read them.

-- Younger than the other tables of version 1, and missing in the oldest ledgers of it.
CREATE TABLE IF NOT EXISTS move (
    id       INTEGER PRIMARY KEY,
    job_id   TEXT    NOT NULL,
    moved_us INTEGER NOT NULL,
    move     TEXT    NOT NULL                -- JSON of model.Move
) STRICT;

DROP TRIGGER IF EXISTS node_interval_kept;
DROP TRIGGER IF EXISTS node_interval_held;
DROP TRIGGER IF EXISTS energy_entry_kept;
DROP TRIGGER IF EXISTS energy_entry_held;
DROP TRIGGER IF EXISTS job_share_kept;
DROP TRIGGER IF EXISTS job_share_held;
DROP TRIGGER IF EXISTS job_presence_kept;
DROP TRIGGER IF EXISTS job_presence_held;
DROP TRIGGER IF EXISTS job_fact_kept;
DROP TRIGGER IF EXISTS job_fact_held;
DROP TRIGGER IF EXISTS promise_kept;
DROP TRIGGER IF EXISTS promise_held;
DROP TRIGGER IF EXISTS move_kept;
DROP TRIGGER IF EXISTS move_held;
DROP INDEX IF EXISTS node_interval_by_time;
DROP INDEX IF EXISTS job_fact_by_job;
DROP INDEX IF EXISTS promise_by_job;
DROP INDEX IF EXISTS move_by_job;
ALTER TABLE node_interval RENAME TO old_node_interval;
ALTER TABLE energy_entry  RENAME TO old_energy_entry;
ALTER TABLE job_share     RENAME TO old_job_share;
ALTER TABLE job_presence  RENAME TO old_job_presence;
ALTER TABLE job_fact      RENAME TO old_job_fact;
ALTER TABLE promise       RENAME TO old_promise;
ALTER TABLE move          RENAME TO old_move;

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,                  -- zone: that of the days below; grid_order: sources, best first;
    value TEXT NOT NULL                      -- pruned_us: no raw row ended before
) STRICT, WITHOUT ROWID;
INSERT INTO meta (key, value) VALUES ('pruned_us', '0');

CREATE TABLE cluster (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE node (
    id         INTEGER PRIMARY KEY,
    cluster_id INTEGER NOT NULL REFERENCES cluster (id),
    name       TEXT    NOT NULL,
    UNIQUE (cluster_id, name)
) STRICT;

-- (spool, sequence) names an interval once and for all; what was pruned is still known not to be new.
CREATE TABLE spool (
    id        INTEGER PRIMARY KEY,
    name      TEXT    NOT NULL UNIQUE,
    pruned_to INTEGER NOT NULL DEFAULT -1
) STRICT;

-- What is known now of each job: an index to the rows, not a part of the account. See 'identity' for its rules.
CREATE TABLE job (
    id            INTEGER PRIMARY KEY,
    cluster_id    INTEGER NOT NULL REFERENCES cluster (id),
    job_id        TEXT    NOT NULL,
    submitted_us  INTEGER,                   -- NULL: could not be learnt
    latest_us     INTEGER,                   -- the submission that Slurm shows now: a requeue makes a new one
    whole_id      TEXT    NOT NULL,          -- the array or het job it belongs to, else its own
    shown_id      TEXT    NOT NULL,
    owner         TEXT    NOT NULL,          -- the user, or 'uid:N' until Slurm has told who that is
    uid           INTEGER,
    account       TEXT    NOT NULL DEFAULT '',
    partition     TEXT    NOT NULL DEFAULT '',
    project       TEXT    NOT NULL DEFAULT '',
    first_us      INTEGER NOT NULL,          -- the span in which it ran, by Slurm and by the agents together;
    last_us       INTEGER NOT NULL,          -- of a job that waits, both are its submission
    tasks         INTEGER,
    cpus_per_task INTEGER,
    state         TEXT,                      -- NULL: Slurm has told nothing; from here on the newest model.JobFact
    name          TEXT,
    nodes         TEXT,                      -- with commas between
    eligible_us   INTEGER,
    start_us      INTEGER,
    end_us        INTEGER,
    time_limit_us INTEGER,
    elapsed_us    INTEGER,
    cpus          INTEGER,
    memory_mib    INTEGER,
    peak_memory_mib INTEGER,
    comment       TEXT,
    qos           TEXT,
    exit_code     TEXT,
    same_as       INTEGER REFERENCES job (id) -- seen before it was known which job it is
) STRICT;
CREATE INDEX job_by_number ON job (job_id, cluster_id);
CREATE INDEX job_by_whole ON job (whole_id) WHERE whole_id <> job_id;
CREATE INDEX job_by_owner ON job (owner, last_us);
CREATE INDEX job_by_account ON job (account, last_us);
CREATE INDEX job_by_time ON job (last_us, first_us);
CREATE INDEX job_by_same ON job (same_as) WHERE same_as IS NOT NULL;

CREATE TABLE node_interval (
    id          INTEGER PRIMARY KEY,
    node_id     INTEGER NOT NULL REFERENCES node (id),
    spool_id    INTEGER NOT NULL REFERENCES spool (id),
    sequence    INTEGER NOT NULL,
    boot_id     TEXT    NOT NULL,
    start_us    INTEGER NOT NULL,
    end_us      INTEGER NOT NULL CHECK (end_us >= start_us),
    duration_us INTEGER NOT NULL CHECK (duration_us >= 0),
    quality     TEXT    NOT NULL CHECK (quality IN ('measured', 'gap')),
    reason      TEXT    NOT NULL,
    received_us INTEGER NOT NULL,
    UNIQUE (spool_id, sequence)
) STRICT;
CREATE INDEX node_interval_by_time ON node_interval (end_us, start_us);

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
    contained   INTEGER NOT NULL CHECK (contained IN (0, 1)), -- a whole-node counter whose parts were read too
    reason      TEXT    NOT NULL,
    PRIMARY KEY (interval_id, device),
    CHECK ((measured_uj IS NULL) = (jobs_uj IS NULL)),
    CHECK (measured_uj IS NULL OR measured_uj = jobs_uj + idle_uj + system_uj)
) STRICT, WITHOUT ROWID;

-- What the entry's jobs_uj consists of.
CREATE TABLE job_share (
    job         INTEGER NOT NULL REFERENCES job (id),
    interval_id INTEGER NOT NULL REFERENCES node_interval (id),
    device      TEXT    NOT NULL,
    busy_uj     INTEGER NOT NULL CHECK (busy_uj >= 0),
    idle_uj     INTEGER NOT NULL CHECK (idle_uj >= 0),
    PRIMARY KEY (job, interval_id, device)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_presence (
    job            INTEGER NOT NULL REFERENCES job (id),
    interval_id    INTEGER NOT NULL REFERENCES node_interval (id),
    uid            INTEGER,
    cpu_ns         INTEGER NOT NULL,
    present_us     INTEGER NOT NULL,
    allocated_cpus INTEGER,
    PRIMARY KEY (job, interval_id)
) STRICT, WITHOUT ROWID;

-- ---- roll-ups: kept in the transaction of the rows they sum, and for ever --------------------------------
-- component: 0 cpu, 1 dram, 2 gpu, 3 node; quality: 0 measured, 1 estimated, 2 gap.
CREATE TABLE job_quarter (
    job       INTEGER NOT NULL REFERENCES job (id),
    quarter   INTEGER NOT NULL,
    node_id   INTEGER NOT NULL REFERENCES node (id),
    component INTEGER NOT NULL,
    quality   INTEGER NOT NULL,
    busy_uj   INTEGER NOT NULL,
    idle_uj   INTEGER NOT NULL,
    PRIMARY KEY (job, quarter, node_id, component, quality)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_total (
    job       INTEGER NOT NULL REFERENCES job (id),
    component INTEGER NOT NULL,
    quality   INTEGER NOT NULL,
    busy_uj   INTEGER NOT NULL,
    idle_uj   INTEGER NOT NULL,
    PRIMARY KEY (job, component, quality)
) STRICT, WITHOUT ROWID;

-- Sums by user, by account and by project are sums over this; its days are those of meta.zone.
CREATE TABLE owner_day (
    cluster_id INTEGER NOT NULL REFERENCES cluster (id),
    day        INTEGER NOT NULL,             -- days since 0001-01-01 (date.toordinal)
    owner      TEXT    NOT NULL,
    account    TEXT    NOT NULL,
    partition  TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    component  INTEGER NOT NULL,
    quality    INTEGER NOT NULL,
    busy_uj    INTEGER NOT NULL,
    idle_uj    INTEGER NOT NULL,
    PRIMARY KEY (cluster_id, day, owner, account, partition, project, component, quality)
) STRICT, WITHOUT ROWID;
CREATE INDEX owner_day_by_owner ON owner_day (owner, day);

CREATE TABLE node_quarter (
    node_id     INTEGER NOT NULL REFERENCES node (id),
    quarter     INTEGER NOT NULL,
    component   INTEGER NOT NULL,
    quality     INTEGER NOT NULL,
    contained   INTEGER NOT NULL,
    measured_uj INTEGER NOT NULL,
    jobs_uj     INTEGER NOT NULL,
    idle_uj     INTEGER NOT NULL,
    system_uj   INTEGER NOT NULL,
    PRIMARY KEY (node_id, quarter, component, quality, contained)
) STRICT, WITHOUT ROWID;

-- Where a job was, one row for each time without a hole.
CREATE TABLE job_stay (
    job         INTEGER NOT NULL REFERENCES job (id),
    node_id     INTEGER NOT NULL REFERENCES node (id),
    start_us    INTEGER NOT NULL,
    end_us      INTEGER NOT NULL,
    present_us  INTEGER NOT NULL,
    metered_us  INTEGER NOT NULL,
    unwatched_us INTEGER NOT NULL,
    cpu_ns      INTEGER NOT NULL,
    reserved_us INTEGER,
    spool_id    INTEGER NOT NULL,            -- the next interval of this spool continues the stay,
    sequence    INTEGER NOT NULL,            -- whatever the wall clock was set to meanwhile
    PRIMARY KEY (job, node_id, start_us)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_fact (
    id          INTEGER PRIMARY KEY,
    job         INTEGER NOT NULL REFERENCES job (id),
    recorded_us INTEGER NOT NULL,
    fact        TEXT    NOT NULL             -- JSON of model.JobFact
) STRICT;
CREATE INDEX job_fact_by_job ON job_fact (job, id);

-- ---- the grid -------------------------------------------------------------------------------------------
CREATE TABLE grid_quarter (
    quantity TEXT    NOT NULL,
    quarter  INTEGER NOT NULL,
    kind     TEXT    NOT NULL,
    source   TEXT    NOT NULL,
    mean     REAL    NOT NULL,
    known_us INTEGER NOT NULL,               -- how much of the quarter-hour the mean is of
    is_best  INTEGER NOT NULL DEFAULT 0,     -- the one that counts: measured before forecast, then meta.grid_order
    PRIMARY KEY (quantity, quarter, kind, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE grid_steps (
    quantity    TEXT    NOT NULL,
    source      TEXT    NOT NULL,
    shortest_us INTEGER NOT NULL,
    longest_us  INTEGER NOT NULL,
    PRIMARY KEY (quantity, source)
) STRICT, WITHOUT ROWID;

CREATE TABLE grid_asked (
    source   TEXT    NOT NULL,
    start_us INTEGER NOT NULL,
    end_us   INTEGER NOT NULL,
    asked_us INTEGER NOT NULL,
    PRIMARY KEY (source, start_us, end_us)
) STRICT, WITHOUT ROWID;

-- ---- promises -------------------------------------------------------------------------------------------
CREATE TABLE promise (
    id           INTEGER PRIMARY KEY,
    cluster_id   INTEGER NOT NULL REFERENCES cluster (id),
    job_id       TEXT    NOT NULL,
    user         TEXT    NOT NULL,
    submitted_us INTEGER NOT NULL,
    promise      TEXT    NOT NULL,           -- JSON of model.Promise
    UNIQUE (cluster_id, job_id, submitted_us)
) STRICT;
CREATE INDEX promise_by_user ON promise (user, submitted_us);

CREATE TABLE move (
    id           INTEGER PRIMARY KEY,
    promise_id   INTEGER NOT NULL REFERENCES promise (id),
    moved_us     INTEGER NOT NULL,
    move         TEXT    NOT NULL,           -- JSON of model.Move
    UNIQUE (promise_id, moved_us)
) STRICT;
