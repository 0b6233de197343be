-- Notes how the run $1 ended.
UPDATE batch_runs
SET finished_at = now(), outcome = $2, rows = $3, source_rows = $4, version = $5, provisional = $6,
    error = $7
WHERE id = $1
