-- Version 5 of the store's schema: examples and what they are worth. It is a migration like any other
-- (db/migrations.py) and never changes again.
--
-- Embeddings stay in their files: a column of ten million lists would make the store as large as they are and slower
-- to read. The store knows where they are and how to tell whether they have changed. Tables with one row an example
-- have no key, which would cost about 3x on insert; a set, a shard or a selection is written whole in one transaction
-- instead. An example is named by its position: the row of the set and of its embeddings, from 0. As before no CHECK
-- calls a function, so that the write-ahead log can be replayed.

CREATE TABLE IF NOT EXISTS example_sets (
    set_name             VARCHAR PRIMARY KEY,
    n_examples           BIGINT NOT NULL CHECK (n_examples > 0),
    n_dims               BIGINT CHECK (n_dims > 0),
    embeddings_uri       VARCHAR,
    embeddings_format    VARCHAR CHECK (embeddings_format IN ('npy', 'parquet', 'table')),
    embeddings_columns   JSON,
    embeddings_sha256    VARCHAR,
    embeddings_sha256_of VARCHAR CHECK (embeddings_sha256_of IN ('bytes', 'sample', 'rows')),
    source_uri           VARCHAR,
    source_format        VARCHAR,
    source_sha256        VARCHAR,
    columns              JSON NOT NULL,
    created_at           TIMESTAMP NOT NULL,
    package_version      VARCHAR NOT NULL
);
COMMENT ON TABLE example_sets IS 'Sets of examples that can be scored and selected from: one row a set';
COMMENT ON COLUMN example_sets.set_name IS 'Name of the set, unique';
COMMENT ON COLUMN example_sets.n_examples IS 'Size of the set, unit: examples';
COMMENT ON COLUMN example_sets.n_dims IS 'Width of the embeddings, unit: dimensions; NULL without embeddings';
COMMENT ON COLUMN example_sets.embeddings_uri IS 'Absolute path of the file or folder of the embeddings, or table of this store that holds them';
COMMENT ON COLUMN example_sets.embeddings_format IS 'Where the embeddings are: npy, parquet or table';
COMMENT ON COLUMN example_sets.embeddings_columns IS 'Columns that hold the embeddings, as a JSON list; NULL for npy';
COMMENT ON COLUMN example_sets.embeddings_sha256 IS 'SHA-256, hex, of what embeddings_sha256_of says; tells whether the embeddings have changed';
COMMENT ON COLUMN example_sets.embeddings_sha256_of IS 'bytes: names and bytes of all files; sample: names, sizes, ends and 64 places of each, of files above 1 GiB together; rows: of a table';
COMMENT ON COLUMN example_sets.source_uri IS 'Absolute path of the table of examples; NULL where there are embeddings only';
COMMENT ON COLUMN example_sets.source_format IS 'File format: csv, tsv, jsonl or parquet';
COMMENT ON COLUMN example_sets.source_sha256 IS 'SHA-256 of the bytes of that table, hex';
COMMENT ON COLUMN example_sets.columns IS 'Which column was read as what (id, label, group, cost, losses), as JSON';
COMMENT ON COLUMN example_sets.created_at IS 'When the set was read, UTC';
COMMENT ON COLUMN example_sets.package_version IS 'Version of the package that read it';

CREATE TABLE IF NOT EXISTS examples (
    set_name   VARCHAR NOT NULL,
    position   BIGINT NOT NULL CHECK (position >= 0),
    example_id VARCHAR NOT NULL,
    label      VARCHAR,
    grp        VARCHAR,
    cost       DOUBLE CHECK (cost >= 0 AND cost <= 1.7976931348623157e308)
);
COMMENT ON TABLE examples IS 'Examples: one row a set and position; no key, a set is replaced whole';
COMMENT ON COLUMN examples.set_name IS 'Set that the example belongs to (example_sets.set_name)';
COMMENT ON COLUMN examples.position IS 'Row of the example in its set and in the embeddings, from 0, unit: rows';
COMMENT ON COLUMN examples.example_id IS 'Identifier of the example, unique in its set; the position where the source names none';
COMMENT ON COLUMN examples.label IS 'Class or target of the example, in the words of the source; NULL where unknown';
COMMENT ON COLUMN examples.grp IS 'Group of the example, such as its source or domain; NULL where unknown';
COMMENT ON COLUMN examples.cost IS 'What the example costs to train on, in the unit of the source, such as tokens; NULL where unknown';

CREATE TABLE IF NOT EXISTS example_losses (
    set_name     VARCHAR NOT NULL,
    position     BIGINT NOT NULL CHECK (position >= 0),
    role         VARCHAR NOT NULL,
    step         BIGINT,
    value        DOUBLE CHECK (value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
    value_status VARCHAR NOT NULL CHECK (value_status IN ('ok', 'nan', 'inf', '-inf', 'missing')),
    CHECK ((value IS NULL) = (value_status <> 'ok'))
);
COMMENT ON TABLE example_losses IS 'Logged losses of examples: one row a set, position, role and step; no key, a role is replaced whole';
COMMENT ON COLUMN example_losses.set_name IS 'Set that the example belongs to (example_sets.set_name)';
COMMENT ON COLUMN example_losses.position IS 'Row of the example in its set, from 0, unit: rows';
COMMENT ON COLUMN example_losses.role IS 'Model that the loss was measured with, such as prior, conditional, learner or reference';
COMMENT ON COLUMN example_losses.step IS 'Training step of its checkpoint, unit: steps; NULL where the role has one model only';
COMMENT ON COLUMN example_losses.value IS 'The loss, in the unit of the source; NULL exactly when value_status is not ok';
COMMENT ON COLUMN example_losses.value_status IS 'ok, nan, inf, -inf or missing: what the log said, so that a diverged loss never looks absent or zero';

CREATE TABLE IF NOT EXISTS valuation_defs (
    valuation_name  VARCHAR PRIMARY KEY,
    what            VARCHAR NOT NULL CHECK (what IN ('examples', 'sources')),
    method          VARCHAR NOT NULL,
    set_name        VARCHAR,
    fit_name        VARCHAR,
    options         JSON NOT NULL,
    seed            BIGINT,
    n_items         BIGINT NOT NULL CHECK (n_items > 0),
    level           DOUBLE CHECK (level > 0 AND level < 1),
    interval_method VARCHAR,
    unit            VARCHAR,
    inputs_sha256   VARCHAR,
    complete        BOOLEAN NOT NULL,
    created_at      TIMESTAMP NOT NULL,
    command         VARCHAR,
    package_version VARCHAR NOT NULL
);
COMMENT ON TABLE valuation_defs IS 'Valuations of examples or of sources: one row a valuation, with how it was made';
COMMENT ON COLUMN valuation_defs.valuation_name IS 'Name of the valuation, unique';
COMMENT ON COLUMN valuation_defs.what IS 'What has a value: examples or sources';
COMMENT ON COLUMN valuation_defs.method IS 'How values were found, such as knn_shapley or color_filter';
COMMENT ON COLUMN valuation_defs.set_name IS 'Set whose examples were valued (example_sets.set_name); NULL where there is none';
COMMENT ON COLUMN valuation_defs.fit_name IS 'Fit of the law that values rest on (fits.name); NULL where they rest on none';
COMMENT ON COLUMN valuation_defs.options IS 'Settings of the method, as JSON';
COMMENT ON COLUMN valuation_defs.seed IS 'Seed of the random numbers, without a unit; NULL where none were drawn';
COMMENT ON COLUMN valuation_defs.n_items IS 'Examples or sources that get a value, unit: items';
COMMENT ON COLUMN valuation_defs.level IS 'Nominal coverage of the intervals, unit: share; NULL where there are none';
COMMENT ON COLUMN valuation_defs.interval_method IS 'How intervals were found, such as bootstrap; NULL where there are none';
COMMENT ON COLUMN valuation_defs.unit IS 'Unit of the values, such as nats/token or accuracy; NULL where they have none';
COMMENT ON COLUMN valuation_defs.inputs_sha256 IS 'SHA-256 of all that was read, hex; a valuation is continued with the same only';
COMMENT ON COLUMN valuation_defs.complete IS 'Whether every item has its value; false while shards are still to come';
COMMENT ON COLUMN valuation_defs.created_at IS 'When it was begun, UTC';
COMMENT ON COLUMN valuation_defs.command IS 'Command that makes it again; NULL where it was made in Python';
COMMENT ON COLUMN valuation_defs.package_version IS 'Version of the package that began it';

CREATE TABLE IF NOT EXISTS valuations (
    valuation_name VARCHAR NOT NULL,
    position       BIGINT NOT NULL CHECK (position >= 0),
    item           VARCHAR,
    value          DOUBLE CHECK (value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
    value_status   VARCHAR NOT NULL CHECK (value_status IN ('ok', 'nan', 'inf', '-inf', 'missing')),
    low            DOUBLE,
    high           DOUBLE,
    CHECK ((value IS NULL) = (value_status <> 'ok'))
);
COMMENT ON TABLE valuations IS 'Values of examples or sources: one row a valuation and item; no key, written a shard at a time';
COMMENT ON COLUMN valuations.valuation_name IS 'Valuation that the value belongs to (valuation_defs.valuation_name)';
COMMENT ON COLUMN valuations.position IS 'Row of the example in its set, or number of the source, from 0, unit: rows';
COMMENT ON COLUMN valuations.item IS 'Name of the source; NULL for an example, which its position names';
COMMENT ON COLUMN valuations.value IS 'The value, in the unit of valuation_defs.unit; NULL exactly when value_status is not ok';
COMMENT ON COLUMN valuations.value_status IS 'ok, nan, inf, -inf or missing: nan where it has no value, such as where its loss diverged';
COMMENT ON COLUMN valuations.low IS 'Lower end of the interval, in the unit of the value; NULL where there is none';
COMMENT ON COLUMN valuations.high IS 'Upper end of the interval, in the unit of the value; NULL where there is none';

CREATE TABLE IF NOT EXISTS valuation_shards (
    valuation_name VARCHAR NOT NULL,
    shard          BIGINT NOT NULL CHECK (shard >= 0),
    first          BIGINT NOT NULL CHECK (first >= 0),
    n              BIGINT NOT NULL CHECK (n > 0),
    sha256         VARCHAR,
    done_at        TIMESTAMP,
    PRIMARY KEY (valuation_name, shard)
);
COMMENT ON TABLE valuation_shards IS 'Pieces that a valuation is made in: one row a valuation and shard, marked in the transaction that writes its values';
COMMENT ON COLUMN valuation_shards.valuation_name IS 'Valuation that the shard belongs to (valuation_defs.valuation_name)';
COMMENT ON COLUMN valuation_shards.shard IS 'Number of the shard, from 0, without a unit';
COMMENT ON COLUMN valuation_shards.first IS 'Position of its first item, unit: rows';
COMMENT ON COLUMN valuation_shards.n IS 'Items in it, unit: items';
COMMENT ON COLUMN valuation_shards.sha256 IS 'SHA-256 of its values and intervals, hex; NULL until it is done';
COMMENT ON COLUMN valuation_shards.done_at IS 'When it was written, UTC; NULL until then';

CREATE TABLE IF NOT EXISTS subsets (
    subset_name     VARCHAR PRIMARY KEY,
    set_name        VARCHAR,
    size            BIGINT NOT NULL CHECK (size > 0),
    objective       VARCHAR NOT NULL,
    options         JSON NOT NULL,
    method          VARCHAR NOT NULL,
    seed            BIGINT,
    value           DOUBLE,
    score           DOUBLE,
    certificate     JSON,
    guarantee       JSON,
    is_random       BOOLEAN NOT NULL,
    inputs_sha256   VARCHAR,
    created_at      TIMESTAMP NOT NULL,
    command         VARCHAR,
    package_version VARCHAR NOT NULL
);
COMMENT ON TABLE subsets IS 'Selections of examples: one row a subset, with how it was chosen and what it scores';
COMMENT ON COLUMN subsets.subset_name IS 'Name of the subset, unique';
COMMENT ON COLUMN subsets.set_name IS 'Set that it was chosen from (example_sets.set_name); NULL where there is none';
COMMENT ON COLUMN subsets.size IS 'Examples in it, unit: examples';
COMMENT ON COLUMN subsets.objective IS 'What was maximised, such as facility_location or vendi; random where nothing was';
COMMENT ON COLUMN subsets.options IS 'Settings of the objective and of the selection, as JSON';
COMMENT ON COLUMN subsets.method IS 'How it was chosen, such as lazy, stochastic, sieve or random';
COMMENT ON COLUMN subsets.seed IS 'Seed of the random numbers, without a unit; NULL where none were drawn';
COMMENT ON COLUMN subsets.value IS 'Objective at the subset, in the unit of the objective; NULL where it was not computed';
COMMENT ON COLUMN subsets.score IS 'Score that the objective reports, in the unit of the score, such as effective examples for vendi';
COMMENT ON COLUMN subsets.certificate IS 'Lower bound on its share of the optimum that its own gains give, as JSON; NULL where there is none';
COMMENT ON COLUMN subsets.guarantee IS 'What the objective promises (kind, reason, ratio), as JSON; NULL where it says nothing';
COMMENT ON COLUMN subsets.is_random IS 'Whether it was drawn at random, so that others can be held against it';
COMMENT ON COLUMN subsets.inputs_sha256 IS 'SHA-256 of all that was read, hex';
COMMENT ON COLUMN subsets.created_at IS 'When it was chosen, UTC';
COMMENT ON COLUMN subsets.command IS 'Command that makes it again; NULL where it was made in Python';
COMMENT ON COLUMN subsets.package_version IS 'Version of the package that chose it';

CREATE TABLE IF NOT EXISTS subset_members (
    subset_name VARCHAR NOT NULL,
    rank        BIGINT NOT NULL CHECK (rank >= 0),
    position    BIGINT NOT NULL CHECK (position >= 0),
    gain        DOUBLE
);
COMMENT ON TABLE subset_members IS 'Examples of the subsets: one row a subset and rank; no key, a subset is replaced whole';
COMMENT ON COLUMN subset_members.subset_name IS 'Subset that the example is in (subsets.subset_name)';
COMMENT ON COLUMN subset_members.rank IS 'Turn in which it was chosen, from 0, unit: turns';
COMMENT ON COLUMN subset_members.position IS 'Row of the example in its set, from 0, unit: rows';
COMMENT ON COLUMN subset_members.gain IS 'What it added to the objective in its turn, in the unit of the objective; NULL where unknown';

CREATE TABLE IF NOT EXISTS appraisal_defs (
    appraisal_name     VARCHAR PRIMARY KEY,
    performance_metric VARCHAR,
    performance_unit   VARCHAR,
    higher_is_better   BOOLEAN,
    source_uri         VARCHAR,
    source_sha256      VARCHAR,
    options            JSON NOT NULL,
    findings           JSON,
    created_at         TIMESTAMP NOT NULL,
    command            VARCHAR,
    package_version    VARCHAR NOT NULL
);
COMMENT ON TABLE appraisal_defs IS 'Appraisals of scores against performance: one row an appraisal, with how it was made';
COMMENT ON COLUMN appraisal_defs.appraisal_name IS 'Name of the appraisal, unique';
COMMENT ON COLUMN appraisal_defs.performance_metric IS 'What was measured on held-out data, such as loss or accuracy; NULL where nothing was';
COMMENT ON COLUMN appraisal_defs.performance_unit IS 'Unit of the performance; NULL where nobody said';
COMMENT ON COLUMN appraisal_defs.higher_is_better IS 'Whether higher performance is better; NULL where nothing was measured';
COMMENT ON COLUMN appraisal_defs.source_uri IS 'Absolute path of the table that was appraised; NULL where it came from the store';
COMMENT ON COLUMN appraisal_defs.source_sha256 IS 'SHA-256 of the bytes of that table, hex';
COMMENT ON COLUMN appraisal_defs.options IS 'Settings of the appraisal, as JSON';
COMMENT ON COLUMN appraisal_defs.findings IS 'What came of it: correlations, band and caps, as JSON; NULL where only rows were saved';
COMMENT ON COLUMN appraisal_defs.created_at IS 'When it was made, UTC';
COMMENT ON COLUMN appraisal_defs.command IS 'Command that makes it again; NULL where it was made in Python';
COMMENT ON COLUMN appraisal_defs.package_version IS 'Version of the package that made it';

CREATE TABLE IF NOT EXISTS appraisals (
    appraisal_name VARCHAR NOT NULL,
    subset_name    VARCHAR NOT NULL,
    regime         VARCHAR,
    size           BIGINT CHECK (size > 0),
    budget         DOUBLE CHECK (budget > 0),
    is_random      BOOLEAN NOT NULL,
    class_entropy  DOUBLE CHECK (class_entropy >= 0),
    objective      VARCHAR NOT NULL,
    score          DOUBLE,
    z_random       DOUBLE,
    n_eq           DOUBLE CHECK (n_eq >= 0),
    performance    DOUBLE
);
COMMENT ON TABLE appraisals IS 'Scores of subsets beside their performance: one row an appraisal, subset, regime and objective; no key, an appraisal is replaced whole';
COMMENT ON COLUMN appraisals.appraisal_name IS 'Appraisal that the row belongs to (appraisal_defs.appraisal_name)';
COMMENT ON COLUMN appraisals.subset_name IS 'Subset that was scored, as the table names it; one of subsets.subset_name where the store holds it';
COMMENT ON COLUMN appraisals.regime IS 'How subsets are comparable: fixed_size, class_balanced or fixed_budget; NULL for any';
COMMENT ON COLUMN appraisals.size IS 'Examples in the subset, unit: examples';
COMMENT ON COLUMN appraisals.budget IS 'Training budget spent on it, in the unit of the table, such as tokens; NULL where unknown';
COMMENT ON COLUMN appraisals.is_random IS 'Whether the subset was drawn at random';
COMMENT ON COLUMN appraisals.class_entropy IS 'Entropy of its classes, unit: nats; NULL where classes are unknown';
COMMENT ON COLUMN appraisals.objective IS 'What the score is of, such as facility_location or vendi';
COMMENT ON COLUMN appraisals.score IS 'Score of the subset, in the unit of the objective';
COMMENT ON COLUMN appraisals.z_random IS 'How far the score lies above random subsets of its size, unit: standard deviations';
COMMENT ON COLUMN appraisals.n_eq IS 'Size at which random subsets have that score, unit: examples; NULL where none does';
COMMENT ON COLUMN appraisals.performance IS 'Result on held-out data, in the unit of appraisal_defs.performance_unit; NULL where not measured';
