#!/usr/bin/env bash
# Puts the pinned ONNX Runtime with its CUDA provider and NVIDIA's libraries into .runtime/cuda: about 2 GB. The machine
# itself needs only a driver. The script needs no GPU, and does nothing if the folder exists.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

pins=$root/infra/setup/onnxruntime-cuda.txt
version=$(sed -n 's/^onnxruntime-gpu==\([^ ]*\).*/\1/p' "$pins")
target=$root/.runtime/cuda

[ "$(uname -s)" = Linux ] && [ "$(uname -m)" = x86_64 ] \
  || die "onnxruntime-gpu $version is there for Linux on x86_64 only, this is $(uname -s) on $(uname -m)" \
    "put your own build, its libonnxruntime_providers_cuda.so and NVIDIA's libraries into .runtime/cuda"
identity=$(sha256sum "$pins" | cut -d' ' -f1)

# The folder appears in one rename, so a complete ORIGIN means that everything is there.
if [ -e "$target/libonnxruntime.so" ] && [ "$(cat "$target/ORIGIN" 2>/dev/null)" = "$identity" ]; then
  say "ONNX Runtime $version for CUDA is there: .runtime/cuda"
  exit 0
fi

# wheels and their unpacked files exist at the same time for a moment
needed=$((5 << 20))
mkdir -p "$root/.runtime"
free=$(df --output=avail -k "$root/.runtime" | tail -n 1)
[ "$free" -ge "$needed" ] || die "$((free >> 10)) MiB are free on the disk of .runtime, $((needed >> 10)) are needed" "make room, then run: make setup-cuda"
work=$(mktemp -d "$root/.runtime/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT
python=$(python_with_pip "$work")

say "fetching ONNX Runtime $version for CUDA and NVIDIA's libraries (about 1.3 GB)"
# The tags are given, so that the same wheels come whatever Python runs this.
platforms=()
for glibc in 2_28 2_27 2_17 2_12; do platforms+=(--platform "manylinux_${glibc}_x86_64"); done
"$python" -m pip download --quiet --disable-pip-version-check --no-input --require-hashes --no-deps --only-binary=:all: \
  --implementation cp --python-version 3.12 "${platforms[@]}" --dest "$work" --requirement "$pins" \
  || die "pip could not fetch the packages of infra/setup/onnxruntime-cuda.txt" "check that pip reaches your package index, then run: make setup-cuda"

mkdir "$work/cuda"
"$python" - "$work" <<'PYTHON'
import pathlib, re, shutil, sys, zipfile
work = pathlib.Path(sys.argv[1])
wanted = re.compile(
    r"onnxruntime/capi/libonnxruntime(\.so\.[\d.]+|_providers_(shared|cuda)\.so)"
    r"|nvidia/.*/lib(cudart|cublas|cublasLt|curand|nvrtc|nvrtc-builtins|cudnn[a-z_]*)\.so\.[\d.]+"
)
text = re.compile(r"onnxruntime/(LICENSE|ThirdPartyNotices.txt)|.*\.dist-info/.*[Ll]icense[^/]*")
for wheel in sorted(work.glob("*.whl")):
    package = wheel.name.split("-")[0]
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            base = pathlib.Path(name).name
            if not wanted.fullmatch(name):
                if not text.fullmatch(name):
                    continue
                base = f"{package}-{base}"
            with archive.open(name) as source, open(work / "cuda" / base, "wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)
    wheel.unlink()
PYTHON
for library in libonnxruntime_providers_cuda.so libonnxruntime_providers_shared.so libcudart.so.13 libcublas.so.13 \
  libcublasLt.so.13 libcurand.so.10 libcudnn.so.9 libnvrtc.so.13; do
  [ -s "$work/cuda/$library" ] || die "the packages hold no $library" "the pins in infra/setup/onnxruntime-cuda.txt do not fit each other"
done
ln -s "libonnxruntime.so.$version" "$work/cuda/libonnxruntime.so"
printf '%s\n' "$identity" >"$work/cuda/ORIGIN"
chmod 755 "$work/cuda"
rm -rf "$target"
mv -T "$work/cuda" "$target"
say "ONNX Runtime $version for CUDA is in .runtime/cuda: $(du -sh "$target" | cut -f1)"
