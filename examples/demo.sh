#!/usr/bin/env bash
# What a newcomer would type, in a home of its own that can be thrown away.
set -euo pipefail
export CUSTOMLABELS_HOME="$PWD/$DEMO/home"
rm -rf "$DEMO"
trap '"$BIN/customlabels" down' EXIT

"$BIN/customlabels" sample digits --to "$DEMO/digits"
"$BIN/customlabels" run --train "$DEMO/digits/train" --test "$DEMO/digits/test"

echo "--- a new process asks the endpoint with plain boto3"
endpoint=$("$BIN/customlabels" status --json | "$BIN/python" -c 'import json, sys; print(json.load(sys.stdin)["Endpoint"])')
image=$(find "$DEMO/digits/test/7" -name '*.png' | sort | head -n 1)
AWS_ENDPOINT_URL="$endpoint" "$BIN/python" examples/ask.py digits "$image"
