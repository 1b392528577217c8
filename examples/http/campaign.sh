#!/bin/sh
# Run a campaign over HTTP with curl: campaign.sh NAME FILE COLUMN FROM TEXT
#
# FILE has its recipients (CSV, JSON lines or Excel) and COLUMN their numbers; TEXT may name its columns,
# as in "Hi {{ first_name }}". The app needs campaigns = true. Running it again goes on where it stopped:
# the same plan is the same campaign, and each recipient is a member once. TEXT must be one line.
set -eu
name=$1 file=$2 column=$3 from=$4 text=$5
url=${SLUICEGATE_URL:-http://127.0.0.1:8080}/v2/campaigns

escaped() { printf '%s' "$1" | sed 's/[\\"]/\\&/g'; }

call() {
    printf 'Authorization: Bearer %s\n' "$SLUICEGATE_TOKEN" |
        curl --silent --show-error --fail-with-body --header @- --request POST "$@"
    echo
}

plan=$(printf '{"name": "%s", "to_column": "%s", "from": "%s", "text": "%s"}' \
    "$name" "$(escaped "$column")" "$from" "$(escaped "$text")")
call --json "$plan" "$url" >/dev/null
call --header 'Content-Type: application/octet-stream' --upload-file "$file" "$url/$name/recipients"
call "$url/$name/start"
