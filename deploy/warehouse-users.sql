-- The users of dbt and Superset in Docker Compose, for psql: made when they are missing, given the passwords of
-- .env and the roles of deploy/roles.sql. May be repeated; a changed password arrives.
\getenv dbt_password DBT_DB_PASSWORD
\getenv superset_password SUPERSET_DB_PASSWORD

SELECT format('CREATE ROLE %I LOGIN CONNECTION LIMIT 20', name)
FROM unnest(ARRAY['dbt', 'superset']) AS name
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) \gexec

ALTER ROLE dbt PASSWORD :'dbt_password';
ALTER ROLE superset PASSWORD :'superset_password';
GRANT pipeline_dbt TO dbt;
GRANT pipeline_bi TO superset;
