#!/usr/bin/env bash
# load.sh [FOLDER]: loads the folder `assets`, or another one, into a Superset that provision.sh has prepared. May be
# repeated: what the folder has is put in again under the same ids, and what users made besides stays.
set -euo pipefail

assets=${1:-$(dirname "${BASH_SOURCE[0]}")/assets}

# It ends with 0 even when it refuses a file.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
superset import-directory --overwrite "$assets" 2>&1 | tee "$log"
if grep -q "An error occurred" "$log"; then
    echo "$assets was not loaded; the message above names the file and what is wrong" >&2
    exit 1
fi
