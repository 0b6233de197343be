-- The session that holds the advisory lock $1. Its two halves stand in two columns.
SELECT l.pid
FROM pg_locks l
JOIN pg_database d ON d.oid = l.database
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND d.datname = current_database()
  AND (l.classid::bigint << 32) | l.objid::bigint = $1
LIMIT 1
