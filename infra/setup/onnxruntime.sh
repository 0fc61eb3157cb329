#!/usr/bin/env bash
# Puts the pinned ONNX Runtime library for the CPU into .runtime/cpu. Does nothing if it is there.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

pins=$root/infra/setup/onnxruntime-cpu.txt
version=$(sed -n 's/^onnxruntime==\([^ ]*\).*/\1/p' "$pins")
target=$root/.runtime/cpu

[ "$(uname -s)" = Linux ] || die "the pinned ONNX Runtime is for Linux, this is $(uname -s)" "put your own libonnxruntime $version into .runtime/cpu"
case $(uname -m) in
  x86_64) platform=manylinux_2_28_x86_64 ;;
  aarch64 | arm64) platform=manylinux_2_28_aarch64 ;;
  *) die "no ONNX Runtime $version is pinned for $(uname -m)" "put your own libonnxruntime $version into .runtime/cpu" ;;
esac
identity="onnxruntime $version $platform"

# The folder appears in one rename, so a complete ORIGIN means that everything is there.
if [ -e "$target/libonnxruntime.so" ] && [ "$(cat "$target/ORIGIN" 2>/dev/null)" = "$identity" ]; then
  say "ONNX Runtime $version is there: .runtime/cpu"
  exit 0
fi

mkdir -p "$root/.runtime"
work=$(mktemp -d "$root/.runtime/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT

python=$(python_with_pip "$work")

say "fetching ONNX Runtime $version ($platform)"
# The tags are given, so that the same wheel comes whatever Python runs this.
"$python" -m pip download --quiet --disable-pip-version-check --no-input --require-hashes --no-deps --only-binary=:all: \
  --implementation cp --python-version 3.12 --platform "$platform" --dest "$work" --requirement "$pins" \
  || die "pip could not fetch onnxruntime $version" "check that pip reaches your package index, then run: make setup"

mkdir "$work/cpu"
"$python" - "$work"/onnxruntime-*.whl "$work/cpu" "$version" <<'PYTHON'
import pathlib, shutil, sys, zipfile
wheel, target, version = sys.argv[1], pathlib.Path(sys.argv[2]), sys.argv[3]
with zipfile.ZipFile(wheel) as archive:
    for name in (f"capi/libonnxruntime.so.{version}", "LICENSE", "ThirdPartyNotices.txt"):
        with archive.open(f"onnxruntime/{name}") as source, open(target / pathlib.Path(name).name, "wb") as out:
            shutil.copyfileobj(source, out)
PYTHON
ln -s "libonnxruntime.so.$version" "$work/cpu/libonnxruntime.so"
printf '%s\n' "$identity" >"$work/cpu/ORIGIN"
chmod 755 "$work/cpu"
rm -rf "$target"
mv -T "$work/cpu" "$target"
say "ONNX Runtime $version is in .runtime/cpu"
