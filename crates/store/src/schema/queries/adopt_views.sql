-- Views that read a table: they follow it to its new name. $1 table.
SELECT DISTINCT v.oid::regclass::text AS name
FROM pg_depend d
JOIN pg_rewrite r ON r.oid = d.objid
JOIN pg_class v ON v.oid = r.ev_class
WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass
  AND d.refobjid = to_regclass($1) AND v.oid <> d.refobjid
ORDER BY name
