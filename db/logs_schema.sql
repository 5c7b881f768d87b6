-- Version 6 of the store's schema: what logs say of their runs, the facts that follow, what people corrected, and the
-- files that sources are made of. It is a migration like any other (db/migrations.py) and never changes again. As
-- before no CHECK calls a function, so that the write-ahead log can be replayed.

CREATE TABLE IF NOT EXISTS run_logs (
    run_id     VARCHAR PRIMARY KEY,
    source_id  VARCHAR NOT NULL,
    source_key VARCHAR NOT NULL,
    state      VARCHAR CHECK (state IN ('running', 'finished', 'failed', 'crashed', 'killed')),
    about      JSON NOT NULL,
    config     JSON NOT NULL,
    summary    JSON NOT NULL,
    sha256     VARCHAR NOT NULL
);
COMMENT ON TABLE run_logs IS 'What a log says of its run besides values: one row a run that a tracker, trainer or text log brought';
COMMENT ON COLUMN run_logs.run_id IS 'The run (runs.run_id)';
COMMENT ON COLUMN run_logs.source_id IS 'Source that the run came from (sources.source_id)';
COMMENT ON COLUMN run_logs.source_key IS 'What tells the run apart from the others of its source';
COMMENT ON COLUMN run_logs.state IS 'running, finished, failed, crashed or killed; NULL where the log does not say';
COMMENT ON COLUMN run_logs.about IS 'Project, group, tags, start (seconds since 1970) and so on, as JSON';
COMMENT ON COLUMN run_logs.config IS 'Settings of the run, nested ones by their path; units as in the log, as JSON';
COMMENT ON COLUMN run_logs.summary IS 'Last or best values that the tracker keeps, no history; units as in the log, as JSON';
COMMENT ON COLUMN run_logs.sha256 IS 'SHA-256 of all that the log says of the run, hex; tells runs that grew from those that did not';

CREATE TABLE IF NOT EXISTS run_facts (
    run_id     VARCHAR NOT NULL,
    fact       VARCHAR NOT NULL,
    value      DOUBLE,
    text_value VARCHAR,
    rule       VARCHAR NOT NULL,
    keys       JSON NOT NULL
);
COMMENT ON TABLE run_facts IS 'What a run was, by which rule: one row a run and fact, with what is missing; no key, a run is replaced whole';
COMMENT ON COLUMN run_facts.run_id IS 'The run (runs.run_id)';
COMMENT ON COLUMN run_facts.fact IS 'Such as n_params, n_tokens, batch_tokens, learning_rate or corpus';
COMMENT ON COLUMN run_facts.value IS 'The fact where it is a number, in the unit of its name; NULL where it is missing or a text';
COMMENT ON COLUMN run_facts.text_value IS 'The fact where it is a text';
COMMENT ON COLUMN run_facts.rule IS 'How it was found; of a missing one, what would give it';
COMMENT ON COLUMN run_facts.keys IS 'What the rule read, each with its place in the log: list of texts';

CREATE TABLE IF NOT EXISTS corrections (
    run_id       VARCHAR NOT NULL,
    fact         VARCHAR NOT NULL,
    value        DOUBLE,
    text_value   VARCHAR,
    was          JSON NOT NULL,
    corrected_at TIMESTAMP NOT NULL,
    PRIMARY KEY (run_id, fact)
);
COMMENT ON TABLE corrections IS 'Facts that somebody set by hand: one row a run and fact, kept when the run is read again';
COMMENT ON COLUMN corrections.run_id IS 'The run (runs.run_id)';
COMMENT ON COLUMN corrections.fact IS 'What was set';
COMMENT ON COLUMN corrections.value IS 'To which number, in the unit of its name';
COMMENT ON COLUMN corrections.text_value IS 'To which text';
COMMENT ON COLUMN corrections.was IS 'What the log or table says, in the unit of its name, as JSON; null where it says nothing';
COMMENT ON COLUMN corrections.corrected_at IS 'When, UTC';

CREATE TABLE IF NOT EXISTS source_files (
    source_id   VARCHAR NOT NULL,
    path        VARCHAR NOT NULL,
    n_bytes     BIGINT NOT NULL CHECK (n_bytes >= 0),
    modified_ns BIGINT NOT NULL,
    settled     BOOLEAN NOT NULL
);
COMMENT ON TABLE source_files IS 'Files of each source that a reader of logs read: one row a source and file';
COMMENT ON COLUMN source_files.source_id IS 'The source (sources.source_id)';
COMMENT ON COLUMN source_files.path IS 'Absolute path of the file';
COMMENT ON COLUMN source_files.n_bytes IS 'Its size when it was read, unit: bytes';
COMMENT ON COLUMN source_files.modified_ns IS 'When it was last changed before it was read, unit: nanoseconds since 1970';
COMMENT ON COLUMN source_files.settled IS 'Whether that was long enough ago for size and time to tell whether it changed since';
