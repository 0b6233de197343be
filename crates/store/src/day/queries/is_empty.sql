-- The ledger has every event of ours, late ones included, and outlives the minutes; rows that others insert are in
-- real_time_metrics alone. What was refused or lost were events too, and what was computed was once counted.
SELECT NOT EXISTS (SELECT FROM day_ledger)
   AND NOT EXISTS (SELECT FROM real_time_metrics)
   AND NOT EXISTS (SELECT FROM daily_stats)
   AND NOT EXISTS (SELECT FROM current_progress WHERE dead + gap > 0)
   -- A database that has had days for its first event and has none is no new system: the topic is the wrong one, or
   -- nobody sends.
   AND (SELECT MIN(installed_on) FROM _sqlx_migrations) > now() - INTERVAL '3 days'
