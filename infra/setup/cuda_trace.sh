#!/usr/bin/env bash
# Puts ONNX Runtime with its CUDA provider into .runtime/cuda-trace, among libraries that replace NVIDIA's and record
# every call (tests/support/cuda_trace). Needs no GPU and no driver. Downloads are kept and not repeated.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

pins=$root/infra/setup/cuda-trace.txt
target=$root/.runtime/cuda-trace

[ "$(uname -s)" = Linux ] && [ "$(uname -m)" = x86_64 ] \
  || die "onnxruntime-gpu is there for Linux on x86_64 only, this is $(uname -s) on $(uname -m)" "run: make test"
identity=$(sha256sum "$pins" | cut -d' ' -f1)

# The folder appears in one rename, so a complete ORIGIN means that everything is there.
if [ "$(cat "$target/ORIGIN" 2>/dev/null)" != "$identity" ]; then
  mkdir -p "$root/.runtime"
  work=$(mktemp -d "$root/.runtime/.new.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  python=$(python_with_pip "$work")
  say "fetching ONNX Runtime for CUDA and CUDA's headers (about 200 MB)"
  # The tags are given, so that the same wheels come whatever Python runs this.
  "$python" -m pip download --quiet --disable-pip-version-check --no-input --require-hashes --no-deps \
    --only-binary=:all: --implementation cp --python-version 3.12 --platform manylinux_2_28_x86_64 \
    --platform manylinux_2_27_x86_64 --platform manylinux_2_17_x86_64 --dest "$work" --requirement "$pins" \
    || die "pip could not fetch the packages of infra/setup/cuda-trace.txt" "check that pip reaches your package index, then run: make test-cuda"
  mkdir "$work/new"
  "$python" - "$work" <<'PYTHON'
import pathlib, re, shutil, sys, zipfile
work = pathlib.Path(sys.argv[1])
library = re.compile(r"onnxruntime/capi/(libonnxruntime(?:\.so\.[\d.]+|_providers_(?:shared|cuda)\.so))")
header = re.compile(r"nvidia/[^/]+/(include/.*)")
for wheel in sorted(work.glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            found = library.fullmatch(name) or header.fullmatch(name)
            if found and not name.endswith("/"):
                path = work / "new" / found[1]
                path.parent.mkdir(parents=True, exist_ok=True)
                with archive.open(name) as source, open(path, "wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
PYTHON
  (cd "$work/new" && ln -s libonnxruntime.so.* libonnxruntime.so)
  printf '%s\n' "$identity" >"$work/new/ORIGIN"
  chmod 755 "$work/new"
  rm -rf "$target"
  mv -T "$work/new" "$target"
fi
"$root/tests/support/cuda_trace/build.sh" "$target/include" "$target"
say "ONNX Runtime for CUDA, without CUDA, is in .runtime/cuda-trace"
