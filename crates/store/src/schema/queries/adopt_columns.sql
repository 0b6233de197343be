-- The columns of a plain table, and nothing for a view or a name that does not exist. $1 table.
SELECT a.attname::text AS name, format_type(a.atttypid, NULL) AS type
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.oid = to_regclass($1) AND c.relkind = 'r'
ORDER BY a.attnum
