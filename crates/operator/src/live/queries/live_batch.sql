-- When the batcher ran last, when it last computed a day, and how many days changed since theirs. A day whose minutes have
-- expired is none that anybody could compute again: `batcher --stale` names it.
SELECT (SELECT MAX(started_at) FROM batch_runs) AS last_run_at,
       (SELECT MAX(finished_at) FROM batch_runs WHERE outcome = 'computed') AS last_success_at,
       (SELECT COUNT(*) FROM day_states WHERE state = 'stale' AND NOT minutes_expired) AS stale_days
