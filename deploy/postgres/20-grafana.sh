#!/usr/bin/env bash
# Grafana's user. Runs once, when the volume is new; there is no table yet. What it may read is granted at each
# start by the service `database-roles`, with deploy/roles.sql. On a volume from before: these statements by hand, as
# telecom_user, with a password of yours.
set -euo pipefail

psql --set=ON_ERROR_STOP=1 --set=password="$GRAFANA_DB_PASSWORD" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE grafana LOGIN PASSWORD :'password' CONNECTION LIMIT 10;
-- Airflow's database is none of its business.
REVOKE CONNECT ON DATABASE airflow_db FROM PUBLIC;
SQL
