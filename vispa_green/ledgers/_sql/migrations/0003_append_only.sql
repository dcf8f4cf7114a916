-- Rows of the account are only ever added. Raw ones may go when they are older than meta.pruned_us says.

CREATE TRIGGER node_interval_kept BEFORE UPDATE ON node_interval BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER energy_entry_kept BEFORE UPDATE ON energy_entry BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_share_kept BEFORE UPDATE ON job_share BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_presence_kept BEFORE UPDATE ON job_presence BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_fact_kept BEFORE UPDATE ON job_fact BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER promise_kept BEFORE UPDATE ON promise BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER promise_held BEFORE DELETE ON promise BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER move_kept BEFORE UPDATE ON move BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER move_held BEFORE DELETE ON move BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;

CREATE TRIGGER node_interval_held BEFORE DELETE ON node_interval
WHEN OLD.end_us > (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'pruned_us')
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER energy_entry_held BEFORE DELETE ON energy_entry
WHEN (SELECT end_us FROM node_interval WHERE id = OLD.interval_id) > (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'pruned_us')
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_share_held BEFORE DELETE ON job_share
WHEN (SELECT end_us FROM node_interval WHERE id = OLD.interval_id) > (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'pruned_us')
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_presence_held BEFORE DELETE ON job_presence
WHEN (SELECT end_us FROM node_interval WHERE id = OLD.interval_id) > (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'pruned_us')
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER job_fact_held BEFORE DELETE ON job_fact
WHEN OLD.recorded_us > (SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'pruned_us')
BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
