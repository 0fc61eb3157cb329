#!/usr/bin/env bash
# Makes the pinned Python environment of the tests and of the demo in .venv, unless it is up to date.
#   python.sh             what `make python` runs
#   python.sh --refresh   resolves tests/requirements.in anew and rewrites tests/requirements.txt
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=infra/setup/environment.sh
source "$(dirname "$0")/environment.sh"

lock=$root/tests/requirements.txt

if [ "${1:-}" = --refresh ]; then
  refresh_lock "$lock" "# Every package of the test environment, its indirect ones too. Made from tests/requirements.in by:
#   infra/setup/python.sh --refresh" --requirement "$root/tests/requirements.in"
else
  pinned_environment "$lock" "$root/.venv" python "infra/setup/python.sh --refresh"
fi
