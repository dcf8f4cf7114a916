-- What each user wants of the mails he gets; see the step of this name for SQLite. A reader sees his own.
CREATE TABLE preference (
    "user"   words PRIMARY KEY,
    language words  NOT NULL,                -- empty: that of the site
    weekly   bigint NOT NULL,                -- 1: a mail each week, 0: none
    said_us  bigint NOT NULL
);
ALTER TABLE preference ENABLE ROW LEVEL SECURITY;
CREATE POLICY own ON preference FOR SELECT USING ("user" = asker());

CREATE OR REPLACE FUNCTION let_in(reader name) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), reader);
    EXECUTE format('GRANT SELECT ON meta, cluster, node, job, job_total, job_quarter, job_stay, job_fact, job_share,'
        ' job_presence, owner_day, week_part, owner_week, owner_week_grid, promise, move, project_tag, project_part,'
        ' preference,'
        ' grid_value, grid_quarter, grid_steps, grid_asked TO %I', reader);
    EXECUTE format('GRANT SELECT (id, node_id, start_us, end_us) ON node_interval TO %I', reader);
    EXECUTE format('GRANT SELECT (interval_id, component, device, quality, contained, end_us) ON energy_entry TO %I',
        reader);
END $$;

SELECT let_in(rolname) FROM pg_roles WHERE rolname = 'vispa_reader';
