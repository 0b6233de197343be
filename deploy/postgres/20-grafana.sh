#!/usr/bin/env bash
# Grafana's role: it may read all tables, now and later, and nothing else. Runs once, when the volume is new.
# On a volume from before: these statements by hand, as telecom_user, with a password of yours.
set -euo pipefail

psql --set=ON_ERROR_STOP=1 --set=password="$GRAFANA_DB_PASSWORD" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE grafana LOGIN PASSWORD :'password' CONNECTION LIMIT 10;
GRANT pg_read_all_data TO grafana;
-- Airflow's database is none of its business.
REVOKE CONNECT ON DATABASE airflow_db FROM PUBLIC;
SQL
