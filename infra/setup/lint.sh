#!/usr/bin/env bash
# Runs hadolint over the container files and shellcheck over every script. Both are fetched into .runtime/lint once.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

pins=$root/infra/setup/lint.txt
venv=$root/.runtime/lint
stamp=$(sha256sum <"$pins")
if [ "$(cat "$venv/.stamp" 2>/dev/null)" != "$stamp" ]; then
  python=$(find_python) || die "no Python from 3.11 to 3.13 on PATH" "run: make tools"
  say "fetching hadolint and shellcheck into .runtime/lint"
  rm -rf "$venv"
  mkdir -p "$root/.runtime"
  "$python" -m venv "$venv" || die "$python cannot make a virtual environment" "run: make tools"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input --no-deps --require-hashes \
    --only-binary=:all: --requirement "$pins" \
    || die "pip could not install infra/setup/lint.txt" "check that pip reaches your package index, then run: make lint-infra"
  printf '%s\n' "$stamp" >"$venv/.stamp"
fi

cd "$root"
"$venv/bin/hadolint" infra/container/Containerfile.*
mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
"$venv/bin/shellcheck" --external-sources "${scripts[@]}"
say "hadolint and shellcheck have nothing to say of 2 container files and ${#scripts[@]} scripts"
