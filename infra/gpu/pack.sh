#!/usr/bin/env bash
# Packs what a machine with a GPU and no network needs beside the project's own files, in one folder:
#   pack.sh OUT [SM]     SM: 90 for H100 and H200 (default), 89 for RTX 40, 80 for A100
# OUT has the stripped release binary, ONNX Runtime, and its CUDA provider cut by slim_provider.py; on that machine
# infra/gpu/call.sh puts them in place. Run `make setup-cuda` and `make build` before.
#   LAUNCHED=   (empty) keeps all code of the architecture; MOST=BYTES is the most that OUT and the project may take together
set -euo pipefail
cd "$(dirname "$0")/../.."

out=${1:?usage: pack.sh OUT [SM]}
sm=${2:-90}
launched=${LAUNCHED-infra/gpu/launched.txt}
most=${MOST:-$((64 << 20))}
runtime=${TRESNET_BATCH_CUDA:-.runtime/cuda}
binary=${TRESNET_BATCH:-target/release/tresnet-batch}
for file in "$runtime/libonnxruntime_providers_cuda.so" "$binary"; do
  [ -e "$file" ] || { echo "pack: $file is missing: run make setup-cuda and make build" >&2; exit 1; }
done

mkdir -p "$out"
rm -f "$out"/*.xz
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 infra/gpu/slim_provider.py "$runtime/libonnxruntime_providers_cuda.so" "$scratch/libonnxruntime_providers_cuda.so" \
  "$sm" ${launched:+"$launched"}
strip -o "$scratch/tresnet-batch" "$binary"
cp "$runtime"/libonnxruntime.so.*.*.* "$runtime/libonnxruntime_providers_shared.so" "$scratch"
for file in "$scratch"/*; do
  xz -T0 -9 -c "$file" >"$out/$(basename "$file").xz"
done

size() { du -scb "$@" | tail -1 | cut -f1; }
packed=$(size "$out"/*.xz)
project=$(git ls-files -z | xargs -0 du -scb | awk '$2 == "total" { sum += $1 } END { print sum }')
echo "$packed bytes are packed, the project's files are $project, $((packed + project)) of $most together"
if [ $((packed + project)) -gt "$most" ]; then
  echo "pack: more than one transfer of $most bytes; send $out/libonnxruntime_providers_cuda.so.xz in a call before" >&2
  exit 1
fi
