#!/usr/bin/env bash
# Airflow's own database and role, beside telecom_db, which the image makes. Runs once, when the volume is new.
set -euo pipefail

psql --set=ON_ERROR_STOP=1 --set=password="$AIRFLOW_DB_PASSWORD" \
    --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" <<'SQL'
CREATE ROLE airflow LOGIN PASSWORD :'password';
CREATE DATABASE airflow_db OWNER airflow;
SQL
