#!/usr/bin/env bash
# Prepares Superset's own database, makes the admin, and loads the folder `assets`. May be repeated, as after an
# upgrade.
set -euo pipefail

superset db upgrade
# An admin who is there already is left as they are.
superset fab create-admin --username admin --password "${SUPERSET_ADMIN_PASSWORD:?is not set}" \
    --firstname Super --lastname Set --email admin@example.com
superset init
exec "$(dirname "${BASH_SOURCE[0]}")/load.sh"
