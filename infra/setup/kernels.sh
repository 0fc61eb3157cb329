#!/usr/bin/env bash
# Puts NVRTC and a disassembler into .runtime/nvrtc, for the kernels of src/engine/cuda/kernels. Needs no GPU. Downloads are
# kept and not repeated.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

pins=$root/infra/setup/kernels.txt
target=$root/.runtime/nvrtc

[ "$(uname -s)" = Linux ] && [ "$(uname -m)" = x86_64 ] \
  || die "the pinned NVRTC is there for Linux on x86_64 only, this is $(uname -s) on $(uname -m)"
identity=$(sha256sum "$pins" | cut -d' ' -f1)
[ "$(cat "$target/ORIGIN" 2>/dev/null)" != "$identity" ] || exit 0

mkdir -p "$root/.runtime"
work=$(mktemp -d "$root/.runtime/.new.XXXXXX")
trap 'rm -rf "$work"' EXIT
python=$(python_with_pip "$work")
say "fetching NVRTC and nvdisasm (about 95 MB)"
"$python" -m pip download --quiet --disable-pip-version-check --no-input --require-hashes --no-deps --only-binary=:all: \
  --platform manylinux_2_17_x86_64 --platform manylinux_2_12_x86_64 --dest "$work" --requirement "$pins" \
  || die "pip could not fetch the packages of infra/setup/kernels.txt" "check that pip reaches your package index, then run: make kernels"
mkdir "$work/new"
"$python" - "$work" <<'PYTHON'
import pathlib, re, shutil, sys, zipfile
work = pathlib.Path(sys.argv[1])
wanted = re.compile(r"nvidia/.*/(libnvrtc\.so\.\d+|libnvrtc-builtins\.so\.[\d.]+|nvdisasm)")
for wheel in sorted(work.glob("*.whl")):
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            found = wanted.fullmatch(name)
            if found:
                path = work / "new" / found[1]
                with archive.open(name) as source, open(path, "wb") as out:
                    shutil.copyfileobj(source, out, 1 << 20)
                path.chmod(0o755)
PYTHON
printf '%s\n' "$identity" >"$work/new/ORIGIN"
chmod 755 "$work/new"
rm -rf "$target"
mv -T "$work/new" "$target"
