-- The sessions that hold a lock on one of these tables ($1), the longest transaction first.
SELECT min(l.relation::regclass::text) AS table_name, a.pid, a.usename::text AS user_name,
       a.application_name AS application,
       EXTRACT(epoch FROM clock_timestamp() - a.xact_start)::bigint AS seconds
FROM pg_locks l
JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid()
  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND l.relation IN (SELECT to_regclass(name) FROM unnest($1::text[]) AS name)
GROUP BY a.pid, a.usename, a.application_name, a.xact_start
ORDER BY a.xact_start NULLS LAST, a.pid
LIMIT 3
