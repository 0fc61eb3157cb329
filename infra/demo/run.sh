#!/usr/bin/env bash
# `make demo`: makes the pictures, classifies them with the binary that was just built, and shows the result.
set -euo pipefail
cd "$(dirname "$0")/../.."

images=.demo/images
output=.demo/output
binary=${TRESNET_BATCH:-target/release/tresnet-batch}
make_images=(.venv/bin/python infra/demo/make_images.py "$images" --seed 7 --per-class 40 --corrupt)

# the pictures follow from the script and its arguments: made again only when one of them changes
mkdir -p .demo
stamp=$(sha256sum infra/demo/make_images.py tests/requirements.txt | sha256sum | cut -c1-16)" ${make_images[*]}"
if [ ! -d "$images" ] || [ "$(cat .demo/images.stamp 2>/dev/null)" != "$stamp" ]; then
  rm -rf .demo/images.stamp "$images"
  "${make_images[@]}"
  printf '%s\n' "$stamp" >.demo/images.stamp
fi

# A finished output is never run again, so the demo starts with none.
rm -rf "$output"
printf '\n$ tresnet-batch run jobs/demo.toml\n'
DEMO_DATA=$images "$binary" run jobs/demo.toml

printf '\n$ head -n 48 %s/_report/report.md\n' "$output"
head -n 48 "$output/_report/report.md"

cat <<TEXT

The rows: $output/*.parquet, one for each image, the broken ones too. Look at them, for instance, with
  .venv/bin/python -c 'import duckdb; print(duckdb.sql("SELECT key, status, label[1] AS best, round(prob[1], 3) AS prob, target_rank, error_kind FROM \"$output/*.parquet\" ORDER BY target_prob NULLS FIRST LIMIT 15"))'
The same command once more finds everything done:
  $binary run jobs/demo.toml
Your own pictures (docs/start.md has the next steps):
  $binary init FOLDER --model models/demo
TEXT
