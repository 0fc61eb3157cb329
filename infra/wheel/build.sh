#!/usr/bin/env bash
# `make wheel`: the wheel, in target/dist. It is made of the same folder as the archive and the Debian package.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/../setup/common.sh"
# shellcheck source=infra/release/common.sh
source "$(dirname "$0")/../release/common.sh"

TRESNET_BATCH_COMMIT=$(commit)
export TRESNET_BATCH_COMMIT
[ "${1:-}" = --of-this-prefix ] || "$root/infra/release/tree.sh"

data=$root/infra/wheel/data
trap 'rm -rf "$data" "$root/infra/wheel/LICENSE"' EXIT
rm -rf "$data"
mkdir -p "$data"
# the wheel's scheme calls the environment's own folder `data`
cp -a "$prefix" "$data/data"
rm -rf "$data/data/bin"
build_wheel "$dist"
wheel=$(echo "$dist"/tresnet_batch-*.whl)
"$root/.runtime/wheel/bin/auditwheel" show "$wheel" >"$dist/auditwheel.txt"
tr '\n' ' ' <"$dist/auditwheel.txt" | grep -q "manylinux_${glibc/./_}_$machine" \
  || die "auditwheel does not find manylinux_${glibc/./_}: $(cat "$dist/auditwheel.txt")" "see docs/release.md"
say "$(du -m "$wheel" | cut -f1) MB: ${wheel#"$root"/}"
