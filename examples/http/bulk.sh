#!/bin/sh
# Send many messages over HTTP with curl: bulk.sh FILE
#
# Each line of FILE is a message in JSON: {"idempotency_key": "order-1", "from": "+1...", "to": "+1...",
# "text": "..."}. With keys the whole file may simply be sent again, after any failure: what was taken
# before is not sent twice. Refused lines are written with the reason, and a last line counts the others.
# curl reads while it sends, so the file may have any size.
set -eu
url=${SLUICEGATE_URL:-http://127.0.0.1:8080}/v2/messages/bulk

printf 'Authorization: Bearer %s\n' "$SLUICEGATE_TOKEN" |
    curl --silent --show-error --fail-with-body --no-buffer --header @- \
        --header 'Content-Type: application/x-ndjson' --header 'Prefer: return=minimal' \
        --request POST --upload-file "$1" "$url"
