-- Deletes our rows of the quarter of an hour that begins at $1, and records what they summed up to; answers how many
-- they were, and how many events of the quarter have expired in all. No row: there was nothing to delete.
WITH gone AS (
    DELETE FROM late_metrics
    WHERE window_start >= $1 AND window_start < $1 + INTERVAL '15 minutes'
    RETURNING event_count, {<exact column>}
)
INSERT INTO expired_quarters AS e (relation, quarter_start, rows, events, {<name>})
SELECT 'late_metrics', $1, COUNT(*), SUM(event_count), {SUM(<exact column>)}
FROM gone
HAVING COUNT(*) > 0
ON CONFLICT (quarter_start, relation) DO UPDATE
SET rows = e.rows + EXCLUDED.rows, events = e.events + EXCLUDED.events, {<name> = e.<name> + EXCLUDED.<name>},
    expired_at = EXCLUDED.expired_at
RETURNING (SELECT COUNT(*) FROM gone) AS rows, events
