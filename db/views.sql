-- The documented face of the store. The views are made again whenever the runs change (db/views.py), because their
-- columns depend on the data. Placeholders: {metric} is SQL for the metric shown as loss, {kept} the kept columns,
-- {wide} one column a metric. Blocks are cut at the lines that begin with "-- view:"; final_value is no view but an
-- expression, which stands here because it follows the rule of runs_final.

-- view: runs_final
-- One row a run. The loss is the value at the last step at which the run logged its metric: a run that ended with NaN
-- has loss NULL and loss_status 'nan', never its last finite value. Tokens are those of that step where the log counts
-- them, and compute is 6 * N * D where the source gives none.
SELECT
    r.run_id,
    r.name,
    r.n_params,
    coalesce(f.last_row.tokens, r.n_tokens) AS n_tokens,
    coalesce(r.compute_flop, 6 * r.n_params * coalesce(f.last_row.tokens, r.n_tokens)) AS compute_flop,
    f.last_row.value AS loss,
    coalesce(f.last_row.value_status, 'missing') AS loss_status,
    f.last_row.step AS step,
    {metric} AS metric,
    r.corpus,
    CASE
        WHEN r.compute_flop IS NOT NULL THEN 'given'
        WHEN r.n_params * coalesce(f.last_row.tokens, r.n_tokens) IS NOT NULL THEN '6ND'
    END AS compute_rule,
    r.source_id{kept}
FROM runs AS r
LEFT JOIN (
    SELECT
        m.run_id,
        m.metric,
        arg_max(
            struct_pack(step := m.step, tokens := m.tokens, value := m.value, value_status := m.value_status),
            coalesce(m.step, -1)
        ) AS last_row
    FROM metrics AS m
    GROUP BY m.run_id, m.metric
) AS f ON f.run_id = r.run_id AND f.metric = {metric}

-- view: runs_wide
-- One row a run, one column a metric: its value at the last step at which the run logged it.
SELECT
    r.run_id,
    r.name,
    r.corpus,
    r.n_params,
    r.n_tokens{wide}
FROM runs AS r
LEFT JOIN (
    SELECT m.run_id, m.metric, arg_max(struct_pack(value := m.value), coalesce(m.step, -1)).value AS value
    FROM metrics AS m
    GROUP BY m.run_id, m.metric
) AS f ON f.run_id = r.run_id
GROUP BY r.run_id, r.name, r.corpus, r.n_params, r.n_tokens

-- view: frontier
-- The lower envelope of loss over compute: runs for which no run with as much compute or less has a lower loss.
SELECT * FROM runs_final
WHERE loss IS NOT NULL AND compute_flop IS NOT NULL
QUALIFY loss <= min(loss) OVER (
    PARTITION BY metric ORDER BY compute_flop RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
)

-- view: fit_latest
-- The newest fit of each law on each selection of rows.
SELECT * FROM fits
QUALIFY row_number() OVER (
    PARTITION BY kind, law, metric, query_sha256, group_by, group_value ORDER BY created_at DESC, fit_id DESC
) = 1

-- view: scores
-- One row a score, joined with its model as the same source describes it. The date that periods are made of is the
-- publication; where the source has none, the evaluation; where it has none either, the last change of the files, which
-- is no date of publication and is told by date_rule.
SELECT
    e.eval_id,
    e.model_id,
    coalesce(m.name, e.model_id, e.run_id) AS model,
    e.task,
    e.metric,
    e.value AS score,
    e.unit AS score_unit,
    e.n_samples AS n_items,
    e.stderr,
    e.harness,
    e.task_version,
    e.superseded,
    e.evaluated_on,
    m.released,
    coalesce(m.released, e.evaluated_on, m.modified) AS date,
    CASE
        WHEN m.released IS NOT NULL THEN 'released'
        WHEN e.evaluated_on IS NOT NULL THEN 'evaluated'
        WHEN m.modified IS NOT NULL THEN 'modified'
    END AS date_rule,
    m.compute_flop,
    log10(m.compute_flop) AS log10_compute,
    m.compute_rule,
    m.compute_low,
    m.compute_high,
    m.compute_gap,
    m.n_params,
    m.n_params_active,
    m.n_tokens,
    m.base_model,
    m.organisation,
    m.family,
    m.type,
    m.architecture,
    m.merged,
    m.moe,
    m.flagged,
    m.concerns,
    e.chat_template,
    e.filter,
    e.n_shot,
    e.chance,
    e.source_key,
    e.source_id{kept}
FROM evals AS e
LEFT JOIN (
    SELECT
        *,
        log10(max(compute_flop) OVER of_name) - log10(min(compute_flop) OVER of_name) AS compute_gap
    FROM models
    WINDOW of_name AS (PARTITION BY lower(name))
) AS m ON m.source_id = e.source_id AND m.model_id = e.model_id

-- view: final_value
-- The value of one metric at the last step at which a run of runs_final logged it: NaN or infinite where it ended so,
-- NULL where it is missing.
(
    SELECT coalesce(f.last_row.value, TRY_CAST(f.last_row.value_status AS DOUBLE))
    FROM (
        SELECT arg_max(struct_pack(value := m.value, value_status := m.value_status), coalesce(m.step, -1)) AS last_row
        FROM metrics AS m
        WHERE m.run_id = runs_final.run_id AND m.metric = {metric}
    ) AS f
)

-- view: ranked_examples
SELECT
    v.valuation_name,
    CAST(row_number() OVER (PARTITION BY v.valuation_name ORDER BY v.value DESC NULLS LAST, v.position) AS BIGINT)
        AS rank,
    coalesce(v.item, e.example_id, CAST(v.position AS VARCHAR)) AS item,
    v.value,
    v.value_status,
    v.low,
    v.high,
    e.label,
    e.grp,
    e.cost,
    v.position,
    d.what,
    d.method,
    d.unit,
    d.set_name
FROM valuations AS v
JOIN valuation_defs AS d USING (valuation_name)
LEFT JOIN examples AS e ON e.set_name = d.set_name AND e.position = v.position AND d.what = 'examples'

-- view: chosen_examples
SELECT
    m.subset_name,
    m.rank,
    coalesce(e.example_id, CAST(m.position AS VARCHAR)) AS example_id,
    m.gain,
    e.label,
    e.grp,
    e.cost,
    m.position,
    s.objective,
    s.method,
    s.is_random,
    s.set_name
FROM subset_members AS m
JOIN subsets AS s USING (subset_name)
LEFT JOIN examples AS e ON e.set_name = s.set_name AND e.position = m.position
