#!/bin/sh
# Send one message over HTTP with curl, and look at it: send.sh TO FROM TEXT [KEY]
#
# SLUICEGATE_URL is where `sluicegate serve` listens, and SLUICEGATE_TOKEN is the app's token. The key
# becomes the message's id: the same key never sends twice, so a failed call can simply be repeated.
# curl does that itself with --retry. It reads the token's header from stdin, where other users of the
# machine can't see it.
set -eu
to=$1 from=$2 text=$3 key=${4:-order-$(date +%s)-$$}
url=${SLUICEGATE_URL:-http://127.0.0.1:8080}/v2/messages

# JSON needs quotes and backslashes escaped. A text with line breaks needs more than that: use jq.
escaped=$(printf '%s' "$text" | sed 's/[\\"]/\\&/g')
body=$(printf '{"to": "%s", "from": "%s", "text": "%s"}' "$to" "$from" "$escaped")

call() {
    printf 'Authorization: Bearer %s\n' "$SLUICEGATE_TOKEN" |
        curl --silent --show-error --fail-with-body --max-time 20 --header @- "$@"
    echo
}

call --retry 3 --header "Idempotency-Key: $key" --json "$body" "$url"
call "$url/$key"
