-- Statements that rename a table's indexes (and with them its keys) and its sequences: names of both
-- are shared by all tables, and ours must be free. $1 the table's name, $2 its future one.
WITH belongings (kind, oid) AS (
    SELECT 'INDEX', indexrelid FROM pg_index WHERE indrelid = to_regclass($1)
    UNION ALL
    SELECT 'SEQUENCE', s.oid
    FROM pg_depend d
    JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
    WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
      AND d.refobjid = to_regclass($1) AND d.deptype IN ('a', 'i')
)
SELECT format('ALTER %s %s RENAME TO %I', kind, oid::regclass,
              CASE WHEN starts_with(relname, $1)
                   THEN left($2 || substr(relname, length($1) + 1), 63)
                   ELSE left(relname, 56) || '_legacy' END)
FROM belongings
JOIN pg_class USING (oid)
ORDER BY relname
