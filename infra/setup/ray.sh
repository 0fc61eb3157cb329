#!/usr/bin/env bash
# Makes the pinned Python environment of infra/ray and its tests in .runtime/ray, unless it is up to date.
#   ray.sh             what `make test-ray` runs
#   ray.sh --refresh   takes the newest Ray and rewrites infra/setup/ray.txt
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=infra/setup/environment.sh
source "$(dirname "$0")/environment.sh"

lock=$root/infra/setup/ray.txt

if [ "${1:-}" = --refresh ]; then
  refresh_lock "$lock" "# Ray and what it needs, for infra/ray/drive.py and its tests. Made by: infra/setup/ray.sh --refresh" ray
else
  pinned_environment "$lock" "$root/.runtime/ray" test-ray "infra/setup/ray.sh --refresh"
fi
