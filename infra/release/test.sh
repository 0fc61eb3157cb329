#!/usr/bin/env bash
# `make test-release`: installs what `make release` wrote, each into an empty folder outside of the checkout, and runs it
# there: wheel, archive and Debian package have the same program, run their demo and give the same rows, which the module
# of the wheel reads; a build by the machine's own compiler (PLAIN, if it is set) gives them bit for bit, too.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/../setup/common.sh"
# shellcheck source=infra/release/common.sh
source "$(dirname "$0")/common.sh"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# an environment without the caller's variables: only installed files may be found
run() { env -i PATH=/usr/bin:/bin HOME="$work" "$@"; }
python=$(find_python)
mapfile -t wheels < <(ls "$dist"/tresnet_batch-*.whl)
[ ${#wheels[@]} -eq 1 ] || die "target/dist has ${#wheels[@]} wheels" "run: make release"

(cd "$dist" && sha256sum --quiet --check SHA256SUMS)
say "the checksums are right"

"$python" -m venv venv
SECONDS=0
venv/bin/python -m pip install --quiet --disable-pip-version-check --no-index "${wheels[0]}"
say "wheel: installed in $SECONDS s"
SECONDS=0
run venv/bin/tresnet-batch demo wheel-demo >wheel.txt || die "the wheel's demo failed" "$(cat wheel.txt)"
say "wheel: demo in $SECONDS s: $(grep -m 1 images wheel.txt)"
run venv/bin/tresnet-batch --version | tee version.txt
grep -q "$work/venv/lib/tresnet-batch/libonnxruntime" version.txt || die "the wheel does not load its own ONNX Runtime"

mkdir archive package
tar -xzf "$dist"/tresnet-batch-*-linux.tar.gz -C archive --strip-components 1
run archive/bin/tresnet-batch demo archive-demo >archive.txt || die "the archive's demo failed" "$(cat archive.txt)"
dpkg-deb -x "$dist"/tresnet-batch_*.deb package
# the wheel is built by a second call of maturin, which must not have linked another program
for other in archive/bin package/usr/bin; do
  cmp venv/bin/tresnet-batch "$other/tresnet-batch" || die "the program of the wheel is not that of $other"
done
run package/usr/bin/tresnet-batch demo package-demo >package.txt || die "the package's demo failed" "$(cat package.txt)"
run archive/bin/tresnet-batch --json --version >archive.json
head -n 1 wheel-demo/job.toml | grep -q '^#:schema file://.*/share/tresnet-batch/job.schema.json$' \
  || die "the job file of the wheel's demo names no schema"
say "archive and package: their demos ran"

# the module and its rows; pyarrow is that of the test environment
PYTHONPATH=$("$root/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
  venv/bin/python "$root/infra/release/check_rows.py" wheel-demo archive-demo package-demo

if [ -n "${PLAIN:-}" ]; then
  ORT_DYLIB_PATH=$root/.runtime/cpu "$PLAIN" run "$work/wheel-demo/job.toml" --set output.uri="$work/plain" >plain.txt
  mkdir plain-demo && mv plain plain-demo/rows
  PYTHONPATH=$("$root/.venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))') \
    venv/bin/python "$root/infra/release/check_rows.py" wheel-demo plain-demo
fi
say "the release installs and runs"
