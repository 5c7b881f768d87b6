-- Version 4 of the store's schema: models that were evaluated, and their scores. It is a migration like any other
-- (db/migrations.py) and never changes again. No release before it ever wrote a model or a result; what somebody wrote
-- by hand is kept in the temporary tables old_models and old_evals, which the migration makes before and copies back
-- after this. As in the first schema no CHECK calls a function, so that the write-ahead log can be replayed.
--
-- A model is described once a source: two tables that give one model different computes are both right about what they
-- say, and removing one must not lose the other. Only a description that is not known is NULL; nothing is guessed.

CREATE TABLE models (
    source_id         VARCHAR NOT NULL,
    model_id          VARCHAR NOT NULL,
    name              VARCHAR NOT NULL,
    base_model        VARCHAR,
    organisation      VARCHAR,
    family            VARCHAR,
    type              VARCHAR,
    architecture      VARCHAR,
    n_params          DOUBLE CHECK (n_params > 0),
    n_params_active   DOUBLE CHECK (n_params_active > 0),
    n_params_nonembed DOUBLE CHECK (n_params_nonembed > 0),
    param_count_rule  VARCHAR NOT NULL DEFAULT 'unknown'
                      CHECK (param_count_rule IN ('total', 'non_embedding', 'active', 'unknown')),
    n_tokens          DOUBLE CHECK (n_tokens > 0),
    compute_flop      DOUBLE CHECK (compute_flop > 0),
    compute_rule      VARCHAR,
    compute_low       DOUBLE CHECK (compute_low > 0),
    compute_high      DOUBLE CHECK (compute_high > 0),
    released          DATE,
    modified          DATE,
    merged            BOOLEAN,
    moe               BOOLEAN,
    flagged           BOOLEAN,
    concerns          VARCHAR,
    arch              JSON,
    extra             JSON NOT NULL DEFAULT '{}',
    PRIMARY KEY (source_id, model_id)
);
COMMENT ON TABLE models IS 'Models that were evaluated: one row a source and model, as that source describes it';
COMMENT ON COLUMN models.source_id IS 'Source that describes the model (sources.source_id)';
COMMENT ON COLUMN models.model_id IS 'What was evaluated, as the source tells entries apart (name, precision and so on); evals.model_id refers to it within the source';
COMMENT ON COLUMN models.name IS 'Name of the model; several entries of a source may share it';
COMMENT ON COLUMN models.base_model IS 'Pretrained model that it was made from';
COMMENT ON COLUMN models.organisation IS 'Who published it: as the source says, or the part of the name before the slash';
COMMENT ON COLUMN models.family IS 'Family of models that it belongs to';
COMMENT ON COLUMN models.type IS 'Kind of model, in the words of the source, such as pretrained or chat';
COMMENT ON COLUMN models.architecture IS 'Architecture, in the words of the source';
COMMENT ON COLUMN models.n_params IS 'Model size with all experts, unit: parameters; NULL where unknown';
COMMENT ON COLUMN models.n_params_active IS 'Parameters that one token uses, unit: parameters; NULL where unknown';
COMMENT ON COLUMN models.n_params_nonembed IS 'Model size without embeddings, unit: parameters';
COMMENT ON COLUMN models.param_count_rule IS 'What n_params counts: total, non_embedding, active or unknown';
COMMENT ON COLUMN models.n_tokens IS 'Tokens that the base model was pretrained on, unit: tokens';
COMMENT ON COLUMN models.compute_flop IS 'Pretraining compute, unit: FLOP; NULL where unknown; see compute_rule';
COMMENT ON COLUMN models.compute_rule IS 'How the compute was found: given by the source, 6ND, or 6ND of the active parameters';
COMMENT ON COLUMN models.compute_low IS 'Lower end where sources or ways of counting differ, unit: FLOP';
COMMENT ON COLUMN models.compute_high IS 'Upper end where sources or ways of counting differ, unit: FLOP';
COMMENT ON COLUMN models.released IS 'When it was published';
COMMENT ON COLUMN models.modified IS 'When its files were last changed, which is no date of publication';
COMMENT ON COLUMN models.merged IS 'Whether it was merged from others; NULL where the source does not say';
COMMENT ON COLUMN models.moe IS 'Whether it is a mixture of experts; NULL where the source does not say';
COMMENT ON COLUMN models.flagged IS 'Whether the source itself warns of it; NULL where the source does not say';
COMMENT ON COLUMN models.concerns IS 'What does not fit together in its description, names separated by commas; NULL where nothing was found';
COMMENT ON COLUMN models.arch IS 'Shape (width, depth, heads and so on), as JSON';
COMMENT ON COLUMN models.extra IS 'Columns of the source that no mapping names, by their name there; units as in the source';

CREATE TABLE evals (
    eval_id       VARCHAR PRIMARY KEY,
    source_id     VARCHAR,
    source_key    VARCHAR,
    run_id        VARCHAR,
    model_id      VARCHAR,
    task          VARCHAR NOT NULL,
    task_version  VARCHAR,
    superseded    BOOLEAN NOT NULL DEFAULT false,
    metric        VARCHAR NOT NULL,
    filter        VARCHAR NOT NULL DEFAULT 'none',
    n_shot        INTEGER CHECK (n_shot >= 0),
    step          BIGINT,
    value         DOUBLE NOT NULL CHECK (value BETWEEN -1.7976931348623157e308 AND 1.7976931348623157e308),
    unit          VARCHAR NOT NULL DEFAULT 'share',
    stderr        DOUBLE CHECK (stderr >= 0),
    n_samples     BIGINT CHECK (n_samples > 0),
    chance        DOUBLE,
    harness       VARCHAR,
    chat_template BOOLEAN,
    evaluated_on  DATE,
    extra         JSON NOT NULL DEFAULT '{}',
    CHECK (run_id IS NOT NULL OR model_id IS NOT NULL)
);
COMMENT ON TABLE evals IS 'Results on evaluation tasks: one row a run or model, task, metric, harness, version and repeat';
COMMENT ON COLUMN evals.eval_id IS 'Identifier of the result: 16 hex digits of the hash of what was evaluated on what, and how';
COMMENT ON COLUMN evals.source_id IS 'Source that the result came from (sources.source_id)';
COMMENT ON COLUMN evals.source_key IS 'Identifier that the source itself gives the result or its row';
COMMENT ON COLUMN evals.run_id IS 'Run that was evaluated (runs.run_id)';
COMMENT ON COLUMN evals.model_id IS 'Model that was evaluated (models.model_id of the same source)';
COMMENT ON COLUMN evals.task IS 'Name of the task';
COMMENT ON COLUMN evals.task_version IS 'Version of the task or of its grader';
COMMENT ON COLUMN evals.superseded IS 'Whether a later grading of the same answers replaces it';
COMMENT ON COLUMN evals.metric IS 'What was measured on the task, such as acc';
COMMENT ON COLUMN evals.filter IS 'How answers were extracted before scoring; none where they were not';
COMMENT ON COLUMN evals.n_shot IS 'Examples shown in the prompt, unit: examples';
COMMENT ON COLUMN evals.step IS 'Training step of the checkpoint, unit: steps';
COMMENT ON COLUMN evals.value IS 'The result, in the unit of evals.unit';
COMMENT ON COLUMN evals.unit IS 'Unit of value, stderr and chance: share (0 to 1) or points';
COMMENT ON COLUMN evals.stderr IS 'Standard error of the result, in the unit of evals.unit; NULL where unknown';
COMMENT ON COLUMN evals.n_samples IS 'Questions that were asked, unit: questions; NULL where unknown';
COMMENT ON COLUMN evals.chance IS 'Result of guessing at random, in the unit of evals.unit';
COMMENT ON COLUMN evals.harness IS 'Program or site that ran the evaluation, with its version';
COMMENT ON COLUMN evals.chat_template IS 'Whether questions were put into the chat template; NULL where the source does not say';
COMMENT ON COLUMN evals.evaluated_on IS 'When it was evaluated or submitted';
COMMENT ON COLUMN evals.extra IS 'Columns of the source that no mapping names, where a row is a score; units as in the source';

ALTER TABLE sources ADD COLUMN IF NOT EXISTS n_models BIGINT DEFAULT 0;
ALTER TABLE sources ADD COLUMN IF NOT EXISTS n_scores BIGINT DEFAULT 0;
COMMENT ON COLUMN sources.n_models IS 'Models taken from the file, unit: models; 0 for a log of runs';
COMMENT ON COLUMN sources.n_scores IS 'Scores taken from the file, unit: scores; 0 for a log of runs';
