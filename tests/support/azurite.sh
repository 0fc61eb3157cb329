#!/usr/bin/env bash
# A real Azurite on loopback for the tests: azurite.sh DIR PORT [CONTAINER].
#
# Starts the Azurite of .runtime (`make azurite`) with its data in DIR; on a DIR used before it serves that data again.
# Makes CONTAINER (default: test) and prints, once all answers, the AZURE_* line that the program reads.
# DIR/pid has the process: `kill -9 "$(cat DIR/pid)"` stops it, also to simulate a crash. DIR/log has its log.
set -euo pipefail

[ $# -ge 2 ] || { echo "usage: azurite.sh DIR PORT [CONTAINER]" >&2; exit 64; }
azurite=$(cd "$(dirname "$0")/../.." && pwd)/.runtime/azurite/node_modules/.bin/azurite-blob
[ -x "$azurite" ] || { echo "no Azurite at $azurite: run 'make azurite'" >&2; exit 69; }
mkdir -p "$1/data"
dir=$(cd "$1" && pwd)
port=$2
container=${3:-test}
# The account and the key that every Azurite has; both are in Microsoft's documentation.
account=devstoreaccount1
key='Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=='
cd "$dir"

# --skipApiVersionCheck: the client may speak a version of the protocol that is newer than this Azurite.
setsid "$azurite" --silent --skipApiVersionCheck --disableTelemetry --location data \
  --blobHost 127.0.0.1 --blobPort "$port" >>log 2>&1 </dev/null &
echo $! >pid

# Makes the container with a request that is signed with the account's key. Exits with 0 if it exists now.
make_container() {
  # shellcheck disable=SC2016 # JavaScript, whose variables node expands
  ACCOUNT=$account KEY=$key PORT=$port CONTAINER=$container node -e '
    const { ACCOUNT, KEY, PORT, CONTAINER } = process.env;
    const date = new Date().toUTCString(), version = "2021-12-02";
    const text = "PUT\n" + "\n".repeat(11) + `x-ms-date:${date}\nx-ms-version:${version}\n`
      + `/${ACCOUNT}/${ACCOUNT}/${CONTAINER}\nrestype:container`;
    const signature = require("crypto").createHmac("sha256", Buffer.from(KEY, "base64")).update(text).digest("base64");
    const headers = { "x-ms-date": date, "x-ms-version": version, "content-length": 0,
      authorization: `SharedKey ${ACCOUNT}:${signature}` };
    const path = `/${ACCOUNT}/${CONTAINER}?restype=container`;
    require("http").request({ host: "127.0.0.1", port: PORT, path, method: "PUT", headers }, (answer) => {
      if (![201, 409].includes(answer.statusCode)) console.error("status", answer.statusCode);
      process.exit([201, 409].includes(answer.statusCode) ? 0 : 2);
    }).on("error", () => process.exit(1)).end();
  '
}

for _ in $(seq 120); do
  if ! kill -0 "$(cat pid)" 2>/dev/null; then
    echo "Azurite ended, the last of $dir/log:" >&2
    tail -n 5 log >&2
    exit 69
  fi
  if make_container; then
    echo "AZURE_STORAGE_CONNECTION_STRING=DefaultEndpointsProtocol=http;AccountName=$account;AccountKey=$key;BlobEndpoint=http://127.0.0.1:$port/$account;"
    exit 0
  fi
  sleep 0.25
done
echo "Azurite does not answer on port $port, the last of $dir/log:" >&2
tail -n 5 log >&2
exit 69
