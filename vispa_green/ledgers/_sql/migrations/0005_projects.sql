-- Which job was for which project: what Slurm told, and what people said afterwards, which counts more.

ALTER TABLE job ADD COLUMN told_project TEXT NOT NULL DEFAULT ''; -- of the newest fact; 'project' is the one that counts
ALTER TABLE job ADD COLUMN wckey TEXT NOT NULL DEFAULT '';
ALTER TABLE job ADD COLUMN tag TEXT;                              -- the last one, NULL where there is none
UPDATE job SET told_project = project, wckey = project;

-- A job by its number and first submission, or a whole array or het job by its own.
CREATE TABLE project_tag (
    id           INTEGER PRIMARY KEY,
    cluster_id   INTEGER NOT NULL REFERENCES cluster (id),
    job_id       TEXT    NOT NULL,
    submitted_us INTEGER,
    project      TEXT    NOT NULL,
    tagged_by    TEXT    NOT NULL,
    tagged_us    INTEGER NOT NULL
) STRICT;
CREATE INDEX project_tag_by_job ON project_tag (job_id, cluster_id);

-- Of which projects a split like 'a=0.7,b=0.3' is, so that it is found by each of them.
CREATE TABLE project_part (
    part    TEXT NOT NULL,
    project TEXT NOT NULL,
    PRIMARY KEY (part, project)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER project_tag_kept BEFORE UPDATE ON project_tag BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER project_tag_held BEFORE DELETE ON project_tag BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
