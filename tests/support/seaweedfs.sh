#!/usr/bin/env bash
# A real S3 store on loopback for the tests: seaweedfs.sh DIR PORT [BUCKET].
#
# Starts the `weed` of .venv (`make python`) with its data in DIR; on a DIR used before it serves that data again.
# Makes BUCKET (default: test) and prints, once all answers, the AWS_* lines that object_store reads.
# DIR/pid has the process: `kill -9 "$(cat DIR/pid)"` serves as the stop and as the crash. DIR/log has its log.
# The fourteen ports from PORT up belong to it. TRESNET_BATCH_WEED names another weed executable.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: seaweedfs.sh DIR PORT [BUCKET]" >&2; exit 64; }
weed=${TRESNET_BATCH_WEED:-$(cd "$(dirname "$0")/../.." && pwd)/.venv/bin/weed}
[ -x "$weed" ] || { echo "no weed at $weed: run 'make python'" >&2; exit 69; }
mkdir -p "$1/data"
dir=$(cd "$1" && pwd)
port=$2
bucket=${3:-test}
# made up for this store, which listens on loopback only
key=testkey00000000000
secret=testsecret0000000000000000000000
cd "$dir"

if [ ! -f s3.json ]; then
  cat >s3.json <<JSON
{"identities": [{"name": "test",
  "credentials": [{"accessKey": "$key", "secretKey": "$secret"}],
  "actions": ["Admin", "Read", "Write", "List", "Tagging"]}]}
JSON
fi

# One process is master, volume server, filer and S3 gateway; short elections and small volumes make the start quick.
setsid "$weed" -logtostderr=true server -dir=data -ip=127.0.0.1 -ip.bind=127.0.0.1 -master.telemetry=false \
  -master.port=$((port + 1)) -master.port.grpc=$((port + 11)) -master.volumeSizeLimitMB=256 \
  -master.electionTimeout=1s -master.heartbeatInterval=100ms \
  -volume.port=$((port + 2)) -volume.port.grpc=$((port + 12)) -volume.max=40 -volume.preStopSeconds=0 \
  -filer -filer.port=$((port + 3)) -filer.port.grpc=$((port + 13)) -filer.localSocket="$dir/filer.sock" \
  -s3 -s3.port="$port" -s3.port.grpc=$((port + 10)) -s3.port.iceberg=0 -s3.port.lance=0 \
  -s3.config="$dir/s3.json" -s3.localSocket="$dir/s3.sock" \
  >>log 2>&1 </dev/null &
echo $! >pid

# the status of one request, 000 where nobody answers
status() { curl -s -o /dev/null -w '%{http_code}' --max-time 5 "$@" || true; }

for _ in $(seq 60); do
  if ! kill -0 "$(cat pid)" 2>/dev/null; then
    echo "weed ended, the last of $dir/log:" >&2
    tail -n 5 log >&2
    exit 69
  fi
  # A bucket is a folder below /buckets of the filer. 201: made, 409: there since an earlier start.
  case $(status -X POST "http://127.0.0.1:$((port + 3))/buckets/$bucket/") in
    201 | 409)
      if [ "$(status "http://127.0.0.1:$port/")" != 000 ]; then
        cat <<ENV
AWS_ENDPOINT=http://127.0.0.1:$port
AWS_ALLOW_HTTP=true
AWS_REGION=us-east-1
AWS_ACCESS_KEY_ID=$key
AWS_SECRET_ACCESS_KEY=$secret
ENV
        exit 0
      fi
      ;;
  esac
  sleep 0.5
done
kill -9 "$(cat pid)" 2>/dev/null || true
echo "weed did not answer within 30 s, see $dir/log" >&2
exit 69
