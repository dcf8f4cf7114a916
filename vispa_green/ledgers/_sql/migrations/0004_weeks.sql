-- Sums by owner and week with the grid weighted in: a year of everybody's quarter-hours is too much to read for one
-- question. They are no part of the account: made from job_quarter and grid_quarter, and made again where those changed.

-- The days of one week that lie in one month, so that weeks and months both consist of whole parts. A part without a
-- row was never charged anything.
CREATE TABLE week_part (
    day        INTEGER PRIMARY KEY,          -- its first, as in owner_day
    changed_us INTEGER                       -- when its quarter-hours changed last; NULL: the sums below are of them
) STRICT;

CREATE TABLE owner_week (
    week       INTEGER NOT NULL,             -- 0 is the one with 1970-01-01
    owner      TEXT    NOT NULL,
    component  INTEGER NOT NULL,
    quality    INTEGER NOT NULL,
    day        INTEGER NOT NULL,             -- the part of the week
    cluster_id INTEGER NOT NULL REFERENCES cluster (id),
    account    TEXT    NOT NULL,
    partition  TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    busy_high  INTEGER NOT NULL,             -- in two limbs, see 'wide'
    busy_low   INTEGER NOT NULL,
    idle_high  INTEGER NOT NULL,
    idle_low   INTEGER NOT NULL,
    PRIMARY KEY (week, owner, component, quality, day, cluster_id, account, partition, project)
) STRICT, WITHOUT ROWID;

-- The grid of the same energy: for how much of it a quantity is known, and the sum of µJ × value.
CREATE TABLE owner_week_grid (
    week       INTEGER NOT NULL,
    owner      TEXT    NOT NULL,
    day        INTEGER NOT NULL,
    since      INTEGER NOT NULL,             -- in which quarter-hour before the part its jobs were charged last
    cluster_id INTEGER NOT NULL REFERENCES cluster (id),
    account    TEXT    NOT NULL,
    partition  TEXT    NOT NULL,
    project    TEXT    NOT NULL,
    jobs       INTEGER NOT NULL,
    gco2_per_kwh_high INTEGER,
    gco2_per_kwh_low  INTEGER,
    gco2_per_kwh_sum  REAL,
    renewable_share_pct_high  INTEGER,
    renewable_share_pct_low   INTEGER,
    renewable_share_pct_sum   REAL,
    PRIMARY KEY (week, owner, day, since, cluster_id, account, partition, project)
) STRICT, WITHOUT ROWID;
