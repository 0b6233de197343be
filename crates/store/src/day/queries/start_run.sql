-- Notes that a run begins; answers its id.
INSERT INTO batch_runs (date, business_timezone, day_start, day_end, include_late, started_by)
VALUES ($1, $2, $3, $4, $5, $6)
RETURNING id
