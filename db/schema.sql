-- Version 1 of the store's schema. It is a migration like any other (db/migrations.py) and never changes again:
-- whatever comes later is a new migration.
--
-- Small tables have primary keys. `metrics` and `fit_replicates` have none: a key there costs about 3x on insert, and
-- the writer replaces a run (a fit) whole in one transaction. No foreign keys, so that the same SQL holds on shared
-- catalogues that know none. Timestamps are UTC without a zone. Counts of parameters, tokens and FLOP are DOUBLE,
-- because 1e25 does not fit an integer. No CHECK calls a function: DuckDB (1.5 and 2.0) cannot replay an ALTER or a
-- COMMENT of such a table from the write-ahead log, so a process killed at the wrong moment would leave a store that
-- cannot be opened. BETWEEN two numbers refuses NaN too, because DuckDB orders it above infinity.

CREATE TABLE sources (
    source_id      VARCHAR PRIMARY KEY,
    format         VARCHAR NOT NULL,
    uri            VARCHAR NOT NULL,
    sha256         VARCHAR NOT NULL,
    mapping        JSON NOT NULL,
    mapping_sha256 VARCHAR NOT NULL,
    reader         VARCHAR NOT NULL,
    reader_version VARCHAR NOT NULL,
    imported_at    TIMESTAMP NOT NULL,
    n_rows         BIGINT NOT NULL CHECK (n_rows >= 0),
    n_runs         BIGINT NOT NULL CHECK (n_runs >= 0),
    n_refused      BIGINT NOT NULL CHECK (n_refused >= 0),
    problems       JSON NOT NULL,
    warnings       JSON NOT NULL
);
COMMENT ON TABLE sources IS 'Files that runs came from: one row a file, as it was when it was read';
COMMENT ON COLUMN sources.source_id IS 'Identifier of the source: first 12 hex digits of the hash of content and mapping';
COMMENT ON COLUMN sources.format IS 'File format: csv, tsv, jsonl or parquet';
COMMENT ON COLUMN sources.uri IS 'Absolute path of the file';
COMMENT ON COLUMN sources.sha256 IS 'SHA-256 of the bytes of the file, hex';
COMMENT ON COLUMN sources.mapping IS 'Mapping from columns to quantities that was used, as JSON';
COMMENT ON COLUMN sources.mapping_sha256 IS 'SHA-256 of the mapping, hex';
COMMENT ON COLUMN sources.reader IS 'Reader that read the file';
COMMENT ON COLUMN sources.reader_version IS 'Version of the package that the reader belongs to';
COMMENT ON COLUMN sources.imported_at IS 'When the file was read, UTC';
COMMENT ON COLUMN sources.n_rows IS 'Data rows in the file, unit: rows';
COMMENT ON COLUMN sources.n_runs IS 'Runs taken from the file, unit: runs';
COMMENT ON COLUMN sources.n_refused IS 'Rows of the file that were refused, unit: rows';
COMMENT ON COLUMN sources.problems IS 'Refused rows and values: list of {file, line, column, value, reason, refused}';
COMMENT ON COLUMN sources.warnings IS 'What the reader warned about: list of sentences';

CREATE TABLE datasets (
    dataset_id      VARCHAR PRIMARY KEY,
    name            VARCHAR NOT NULL,
    revision        VARCHAR,
    tokenizer       VARCHAR,
    n_tokens        DOUBLE CHECK (n_tokens > 0),
    bytes_per_token DOUBLE CHECK (bytes_per_token > 0),
    recipe          JSON
);
COMMENT ON TABLE datasets IS 'Training corpora';
COMMENT ON COLUMN datasets.dataset_id IS 'Identifier of the corpus; runs.corpus refers to it';
COMMENT ON COLUMN datasets.name IS 'Name of the corpus';
COMMENT ON COLUMN datasets.revision IS 'Version of the corpus';
COMMENT ON COLUMN datasets.tokenizer IS 'Tokenizer that its tokens are counted with';
COMMENT ON COLUMN datasets.n_tokens IS 'Size of the corpus, unit: tokens';
COMMENT ON COLUMN datasets.bytes_per_token IS 'Mean length of a token, unit: bytes per token';
COMMENT ON COLUMN datasets.recipe IS 'How the corpus was made, as JSON';

CREATE TABLE models (
    model_id          VARCHAR PRIMARY KEY,
    family            VARCHAR,
    n_params          DOUBLE NOT NULL CHECK (n_params > 0),
    n_params_nonembed DOUBLE CHECK (n_params_nonembed > 0),
    param_count_rule  VARCHAR NOT NULL CHECK (param_count_rule IN ('total', 'non_embedding', 'active', 'unknown')),
    arch              JSON
);
COMMENT ON TABLE models IS 'Model shapes that several runs or evaluations share';
COMMENT ON COLUMN models.model_id IS 'Identifier of the model; runs.model_id and evals.model_id refer to it';
COMMENT ON COLUMN models.family IS 'Family of models that it belongs to';
COMMENT ON COLUMN models.n_params IS 'Model size, unit: parameters';
COMMENT ON COLUMN models.n_params_nonembed IS 'Model size without embeddings, unit: parameters';
COMMENT ON COLUMN models.param_count_rule IS 'What n_params counts: total, non_embedding, active or unknown';
COMMENT ON COLUMN models.arch IS 'Architecture (width, depth, heads and so on), as JSON';

CREATE TABLE runs (
    run_id       VARCHAR PRIMARY KEY,
    source_id    VARCHAR NOT NULL,
    name         VARCHAR,
    model_id     VARCHAR,
    corpus       VARCHAR,
    n_params     DOUBLE CHECK (n_params > 0),
    n_tokens     DOUBLE CHECK (n_tokens > 0),
    compute_flop DOUBLE CHECK (compute_flop > 0),
    loss_metric  VARCHAR NOT NULL,
    extra        JSON NOT NULL
);
COMMENT ON TABLE runs IS 'Training runs: one row a run';
COMMENT ON COLUMN runs.run_id IS 'Identifier of the run, unique in the store';
COMMENT ON COLUMN runs.source_id IS 'Source that the run came from (sources.source_id)';
COMMENT ON COLUMN runs.name IS 'Name of the run';
COMMENT ON COLUMN runs.model_id IS 'Model that was trained (models.model_id), where it is described';
COMMENT ON COLUMN runs.corpus IS 'Corpus that it was trained on (datasets.dataset_id)';
COMMENT ON COLUMN runs.n_params IS 'Model size, unit: parameters';
COMMENT ON COLUMN runs.n_tokens IS 'Training tokens seen by the end of the run, unit: tokens';
COMMENT ON COLUMN runs.compute_flop IS 'Training compute as the source gives it, unit: FLOP; NULL where it does not';
COMMENT ON COLUMN runs.loss_metric IS 'Metric that runs_final shows as the loss of this run, named at ingest';
COMMENT ON COLUMN runs.extra IS 'Columns of the source that no mapping names, by their name there; units as in the source';

CREATE TABLE metric_defs (
    metric           VARCHAR PRIMARY KEY,
    kind             VARCHAR NOT NULL CHECK (kind IN ('loss', 'accuracy', 'rate', 'count', 'time', 'other')),
    unit             VARCHAR NOT NULL,
    higher_is_better BOOLEAN
);
COMMENT ON TABLE metric_defs IS 'What the metrics mean: one row a metric';
COMMENT ON COLUMN metric_defs.metric IS 'Name of the metric; metrics.metric refers to it';
COMMENT ON COLUMN metric_defs.kind IS 'Kind of quantity: loss, accuracy, rate, count, time or other';
COMMENT ON COLUMN metric_defs.unit IS 'Unit of the values, such as nats/token or bits/byte; unknown where nobody said';
COMMENT ON COLUMN metric_defs.higher_is_better IS 'Whether higher values are better; NULL where that means nothing';

CREATE TABLE metrics (
    run_id             VARCHAR NOT NULL,
    metric             VARCHAR NOT NULL,
    step               BIGINT,
    tokens             DOUBLE CHECK (tokens >= 0),
    value              DOUBLE CHECK (value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
    value_status       VARCHAR NOT NULL CHECK (value_status IN ('ok', 'nan', 'inf', '-inf', 'missing')),
    significant_digits SMALLINT CHECK (significant_digits > 0),
    CHECK ((value IS NULL) = (value_status <> 'ok'))
);
COMMENT ON TABLE metrics IS 'Logged values: one row a run, metric and step; no key, a run is replaced whole';
COMMENT ON COLUMN metrics.run_id IS 'Run that logged the value (runs.run_id)';
COMMENT ON COLUMN metrics.metric IS 'Metric that was logged (metric_defs.metric)';
COMMENT ON COLUMN metrics.step IS 'Training step of the value, unit: steps; NULL where the source has one value a run';
COMMENT ON COLUMN metrics.tokens IS 'Training tokens seen by that step, unit: tokens; NULL where the log does not say';
COMMENT ON COLUMN metrics.value IS 'The value, in the unit of metric_defs.unit; NULL exactly when value_status is not ok';
COMMENT ON COLUMN metrics.value_status IS 'ok, nan, inf, -inf or missing: what the log said, so that a diverged run never looks absent or zero';
COMMENT ON COLUMN metrics.significant_digits IS 'Significant digits that the log printed, unit: digits; NULL for full precision';

CREATE TABLE evals (
    eval_id      VARCHAR PRIMARY KEY,
    run_id       VARCHAR,
    model_id     VARCHAR,
    task         VARCHAR NOT NULL,
    task_version VARCHAR,
    metric       VARCHAR NOT NULL,
    filter       VARCHAR NOT NULL DEFAULT 'none',
    n_shot       INTEGER CHECK (n_shot >= 0),
    step         BIGINT,
    value        DOUBLE NOT NULL,
    stderr       DOUBLE CHECK (stderr >= 0),
    n_samples    BIGINT CHECK (n_samples > 0),
    chance       DOUBLE,
    harness      VARCHAR,
    source_id    VARCHAR,
    CHECK (run_id IS NOT NULL OR model_id IS NOT NULL)
);
COMMENT ON TABLE evals IS 'Results on evaluation tasks: one row a run or model, task, metric and filter';
COMMENT ON COLUMN evals.eval_id IS 'Identifier of the result';
COMMENT ON COLUMN evals.run_id IS 'Run that was evaluated (runs.run_id)';
COMMENT ON COLUMN evals.model_id IS 'Model that was evaluated (models.model_id)';
COMMENT ON COLUMN evals.task IS 'Name of the task';
COMMENT ON COLUMN evals.task_version IS 'Version of the task';
COMMENT ON COLUMN evals.metric IS 'What was measured on the task, such as acc';
COMMENT ON COLUMN evals.filter IS 'How answers were extracted before scoring; none where they were not';
COMMENT ON COLUMN evals.n_shot IS 'Examples shown in the prompt, unit: examples';
COMMENT ON COLUMN evals.step IS 'Training step of the checkpoint, unit: steps';
COMMENT ON COLUMN evals.value IS 'The result, in the unit of its metric';
COMMENT ON COLUMN evals.stderr IS 'Standard error of the result, in the unit of its metric';
COMMENT ON COLUMN evals.n_samples IS 'Questions that were asked, unit: questions';
COMMENT ON COLUMN evals.chance IS 'Result of guessing at random, in the unit of its metric';
COMMENT ON COLUMN evals.harness IS 'Program that ran the evaluation, with its version';
COMMENT ON COLUMN evals.source_id IS 'Source that the result came from (sources.source_id)';

CREATE TABLE fits (
    fit_id          VARCHAR PRIMARY KEY,
    name            VARCHAR NOT NULL UNIQUE,
    kind            VARCHAR NOT NULL,
    law             VARCHAR NOT NULL,
    formula         VARCHAR,
    metric          VARCHAR,
    objective       VARCHAR NOT NULL,
    objective_value DOUBLE,
    verdict         VARCHAR NOT NULL,
    group_by        VARCHAR,
    group_value     VARCHAR,
    query_sql       VARCHAR NOT NULL,
    query_sha256    VARCHAR NOT NULL,
    data_sha256     VARCHAR NOT NULL,
    n_obs           BIGINT NOT NULL CHECK (n_obs >= 0),
    excluded        JSON NOT NULL,
    config          JSON NOT NULL,
    fit             JSON NOT NULL,
    macro_sql       VARCHAR,
    seed            BIGINT,
    package_version VARCHAR NOT NULL,
    env             JSON NOT NULL,
    created_at      TIMESTAMP NOT NULL
);
COMMENT ON TABLE fits IS 'Fitted laws: one row a fit, with everything needed to check it or run it again';
COMMENT ON COLUMN fits.fit_id IS 'Identifier of the fit';
COMMENT ON COLUMN fits.name IS 'Name of the fit, unique; also the name of its SQL macro';
COMMENT ON COLUMN fits.kind IS 'Kind of question that the fit answers, such as loss';
COMMENT ON COLUMN fits.law IS 'Name of the law';
COMMENT ON COLUMN fits.formula IS 'Formula of the law';
COMMENT ON COLUMN fits.metric IS 'Metric that was fitted (metric_defs.metric)';
COMMENT ON COLUMN fits.objective IS 'What was minimised: loss function, its settings and the scale of the residuals';
COMMENT ON COLUMN fits.objective_value IS 'Value of the objective at the optimum: sum over rows, in the unit of the objective';
COMMENT ON COLUMN fits.verdict IS 'Verdict on the fit, a word of the written list';
COMMENT ON COLUMN fits.group_by IS 'Column that the rows were split by; NULL for a fit of all rows';
COMMENT ON COLUMN fits.group_value IS 'Value of that column in the rows of this fit';
COMMENT ON COLUMN fits.query_sql IS 'SQL that selected the rows';
COMMENT ON COLUMN fits.query_sha256 IS 'SHA-256 of that SQL, hex';
COMMENT ON COLUMN fits.data_sha256 IS 'SHA-256 of the sorted values that were fitted, hex; tells when the data have changed since';
COMMENT ON COLUMN fits.n_obs IS 'Rows that were fitted, unit: rows';
COMMENT ON COLUMN fits.excluded IS 'Rows that were selected but not fitted, with counts and reasons, as JSON';
COMMENT ON COLUMN fits.config IS 'Settings of the fit, as JSON';
COMMENT ON COLUMN fits.fit IS 'The whole fit: estimates, intervals, diagnostics; units as in the law, as JSON';
COMMENT ON COLUMN fits.macro_sql IS 'SQL that creates the macro of the fit';
COMMENT ON COLUMN fits.seed IS 'Seed of the random numbers';
COMMENT ON COLUMN fits.package_version IS 'Version of the package that made the fit';
COMMENT ON COLUMN fits.env IS 'Versions of Python and the libraries, as JSON';
COMMENT ON COLUMN fits.created_at IS 'When the fit was made, UTC';

CREATE TABLE fit_replicates (
    fit_id    VARCHAR NOT NULL,
    replicate INTEGER NOT NULL CHECK (replicate >= 0),
    parameter VARCHAR NOT NULL,
    value     DOUBLE
);
COMMENT ON TABLE fit_replicates IS 'Bootstrap replicates: one row a fit, replicate and parameter; no key, a fit is replaced whole';
COMMENT ON COLUMN fit_replicates.fit_id IS 'Fit that was resampled (fits.fit_id)';
COMMENT ON COLUMN fit_replicates.replicate IS 'Number of the replicate, from 0';
COMMENT ON COLUMN fit_replicates.parameter IS 'Name of the parameter, or objective for the value of the objective';
COMMENT ON COLUMN fit_replicates.value IS 'Its estimate in that replicate, in the unit of the parameter; NULL where it did not converge';

CREATE TABLE predictions (
    fit_id               VARCHAR NOT NULL,
    target               VARCHAR NOT NULL,
    inputs               JSON NOT NULL,
    mean                 DOUBLE,
    low                  DOUBLE,
    high                 DOUBLE,
    level                DOUBLE CHECK (level > 0 AND level < 1),
    extrapolation_factor DOUBLE CHECK (extrapolation_factor >= 1),
    observed             DOUBLE,
    run_id               VARCHAR,
    created_at           TIMESTAMP NOT NULL
);
COMMENT ON TABLE predictions IS 'Forecasts that were made, kept so that later runs can be held against them';
COMMENT ON COLUMN predictions.fit_id IS 'Fit that made the forecast (fits.fit_id)';
COMMENT ON COLUMN predictions.target IS 'Quantity that was forecast, such as loss';
COMMENT ON COLUMN predictions.inputs IS 'Inputs of the law, by name, in their units, as JSON';
COMMENT ON COLUMN predictions.mean IS 'Point forecast, in the unit of the target; NULL where the verdict forbids one';
COMMENT ON COLUMN predictions.low IS 'Lower end of the interval, in the unit of the target';
COMMENT ON COLUMN predictions.high IS 'Upper end of the interval, in the unit of the target';
COMMENT ON COLUMN predictions.level IS 'Nominal coverage of the interval, unit: share';
COMMENT ON COLUMN predictions.extrapolation_factor IS 'How far outside the fitted rows the inputs are, unit: factor; 1 is inside';
COMMENT ON COLUMN predictions.observed IS 'What was observed later, in the unit of the target';
COMMENT ON COLUMN predictions.run_id IS 'Run that observed it (runs.run_id)';
COMMENT ON COLUMN predictions.created_at IS 'When the forecast was made, UTC';

CREATE TABLE audit (
    happened_at     TIMESTAMP NOT NULL,
    event           VARCHAR NOT NULL,
    object_kind     VARCHAR NOT NULL,
    object_id       VARCHAR NOT NULL,
    detail          JSON NOT NULL,
    package_version VARCHAR NOT NULL
);
COMMENT ON TABLE audit IS 'What was done to the store: one row an event, never changed';
COMMENT ON COLUMN audit.happened_at IS 'When it was done, UTC';
COMMENT ON COLUMN audit.event IS 'What was done: ingest, replace, remove and so on';
COMMENT ON COLUMN audit.object_kind IS 'What it was done to: source, run or fit';
COMMENT ON COLUMN audit.object_id IS 'Identifier of that';
COMMENT ON COLUMN audit.detail IS 'Counts and names, as JSON';
COMMENT ON COLUMN audit.package_version IS 'Version of the package that did it';
