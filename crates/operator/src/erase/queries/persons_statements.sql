-- For each table of the schema persons: the statement that deletes the rows about $1, the one that puts $2 wherever the
-- pattern $1 is met in what is left, and which columns neither of them can look into. The names are quoted here.
SELECT t.relname::text AS table_name,
       MAX(format('DELETE FROM persons.%I WHERE subscriber_id = $1', t.relname))
           FILTER (WHERE t.relkind <> 'm' AND a.attname = 'subscriber_id') AS delete,
       MAX(format('UPDATE persons.%I SET ', t.relname)) FILTER (WHERE t.relkind <> 'm' AND kind.is_text)
           || string_agg(format('%1$I = regexp_replace(%1$I::text, $1, $2, ''g'')::%2$s', a.attname,
                                format_type(a.atttypid, a.atttypmod)), ', ' ORDER BY a.attnum)
              FILTER (WHERE kind.is_text)
           || ' WHERE '
           || string_agg(format('%I::text ~ $1', a.attname), ' OR ' ORDER BY a.attnum)
              FILTER (WHERE kind.is_text) AS replace,
       COALESCE(array_agg(format('persons.%I.%I (%s)', t.relname, a.attname, format_type(a.atttypid, a.atttypmod))
                          ORDER BY a.attnum)
                FILTER (WHERE t.relkind = 'm' OR kind.is_closed), '{}') AS not_searched
FROM pg_class t
JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
JOIN pg_type y ON y.oid = a.atttypid
CROSS JOIN LATERAL (
    SELECT a.atttypid IN ('text'::regtype, 'varchar'::regtype, 'json'::regtype, 'jsonb'::regtype,
                          'text[]'::regtype, 'varchar[]'::regtype) AS is_text) AS searched
CROSS JOIN LATERAL (
    -- Numbers, dates, times and truth values name nobody.
    SELECT searched.is_text, NOT searched.is_text AND y.typcategory NOT IN ('N', 'D', 'T', 'B') AS is_closed) AS kind
WHERE t.relnamespace = 'persons'::regnamespace AND t.relkind IN ('r', 'p', 'm') AND NOT t.relispartition
GROUP BY t.relname
ORDER BY t.relname
