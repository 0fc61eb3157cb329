#!/usr/bin/env bash
# Makes the pinned tools of the wheel and the release (maturin, zig, auditwheel) in .runtime/wheel, unless they are up to
# date.
#   wheel.sh             what `make wheel` runs
#   wheel.sh --refresh   takes the newest tools and rewrites infra/setup/wheel.txt
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=infra/setup/environment.sh
source "$(dirname "$0")/environment.sh"

lock=$root/infra/setup/wheel.txt

if [ "${1:-}" = --refresh ]; then
  refresh_lock "$lock" "# What builds and checks the wheel. Made by: infra/setup/wheel.sh --refresh" maturin ziglang auditwheel
else
  pinned_environment "$lock" "$root/.runtime/wheel" wheel "infra/setup/wheel.sh --refresh"
fi
