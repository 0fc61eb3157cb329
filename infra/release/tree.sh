#!/usr/bin/env bash
# Builds the program that is handed out, for every Linux with glibc 2.28 or newer, and lays out an installation of it in
# target/dist/prefix: bin, lib/tresnet-batch (ONNX Runtime) and share (demo, schema, man pages, completions). The wheel,
# the archive and the Debian package are made of this folder. The debug information is beside it.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/../setup/common.sh"
# shellcheck source=infra/release/common.sh
source "$(dirname "$0")/common.sh"
cd "$root"

"$root/infra/setup/onnxruntime.sh"
"$root/infra/setup/python.sh"
"$root/infra/setup/wheel.sh"

say "building the program for $target, glibc $glibc"
rm -rf "$dist"
mkdir -p "$dist/draft"
build_wheel "$dist/draft"

say "laying out target/dist/prefix"
mkdir -p "$prefix/bin" "$prefix/lib/tresnet-batch"
# the next call of maturin takes the program as it is here: without debug information
objcopy --only-keep-debug "$program" "$dist/tresnet-batch.debug"
strip --strip-all -o "$dist/stripped" "$program"
objcopy --add-gnu-debuglink="$dist/tresnet-batch.debug" "$dist/stripped"
cp "$dist/stripped" "$program"
mv "$dist/stripped" "$prefix/bin/tresnet-batch"
chmod 755 "$prefix/bin/tresnet-batch"

# a wheel has no links: the library has its version in its name, by which the program finds it
cp "$(readlink -f .runtime/cpu/libonnxruntime.so)" .runtime/cpu/ThirdPartyNotices.txt "$prefix/lib/tresnet-batch/"
cp .runtime/cpu/LICENSE "$prefix/lib/tresnet-batch/LICENSE.onnxruntime"

share "$prefix/bin/tresnet-batch" "$prefix/share"
demo=$prefix/share/tresnet-batch/demo
mkdir -p "$demo/model"
cp models/demo/* "$demo/model/"
.venv/bin/python infra/demo/make_images.py "$demo/images" --seed 7 --per-class 8 --corrupt
find "$prefix" -type d -exec chmod 755 {} +
find "$prefix" -type f ! -path '*/bin/*' -exec chmod 644 {} +
say "target/dist/prefix has $(du -sm "$prefix" | cut -f1) MB"
