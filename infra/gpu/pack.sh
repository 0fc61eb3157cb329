#!/usr/bin/env bash
# Packs what a machine with a GPU and no network needs, in two folders of less than 64 MB each:
#   pack.sh OUT [SM]     SM: 90 for H100 and H200 (default), 89 for RTX 40, 80 for A100
# OUT/provider has the CUDA provider cut to one architecture; OUT/program has the stripped release binary and ONNX Runtime
# itself. Run `make setup-cuda` and `make build` before. There, infra/gpu/unpack.py puts each in its place.
set -euo pipefail
cd "$(dirname "$0")/../.."

out=${1:?usage: pack.sh OUT [SM]}
sm=${2:-90}
runtime=${TRESNET_BATCH_CUDA:-.runtime/cuda}
binary=${TRESNET_BATCH:-target/release/tresnet-batch}
for file in "$runtime/libonnxruntime_providers_cuda.so" "$binary"; do
  [ -e "$file" ] || { echo "pack: $file is not there: run make setup-cuda and make build" >&2; exit 1; }
done

rm -rf "$out/provider" "$out/program"
mkdir -p "$out/provider" "$out/program"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
python3 infra/gpu/slim_provider.py "$runtime/libonnxruntime_providers_cuda.so" "$scratch/provider.so" "$sm"
xz -T0 -6 -c "$scratch/provider.so" >"$out/provider/libonnxruntime_providers_cuda.so.xz"
strip -o "$scratch/tresnet-batch" "$binary"
xz -T0 -6 -c "$scratch/tresnet-batch" >"$out/program/tresnet-batch.xz"
for library in "$runtime"/libonnxruntime.so.*.*.* "$runtime/libonnxruntime_providers_shared.so"; do
  xz -T0 -6 -c "$library" >"$out/program/$(basename "$library").xz"
done
du -sk "$out/provider" "$out/program"
