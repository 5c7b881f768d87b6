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
