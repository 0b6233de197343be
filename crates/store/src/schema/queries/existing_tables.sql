-- Which of these tables there are. to_regclass denies whoever may not use a schema that a name has, and most roles may not
-- use `persons`.
-- $1 names, some with a schema.
SELECT name
FROM unnest($1::text[]) AS name
WHERE CASE
          WHEN strpos(name, '.') = 0 THEN to_regclass(name) IS NOT NULL
          ELSE EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                       WHERE n.nspname || '.' || c.relname = name)
      END
