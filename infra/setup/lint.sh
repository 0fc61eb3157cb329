#!/usr/bin/env bash
# Runs hadolint over the container files, shellcheck over every script, and cargo-deny over the dependencies. The first two
# are fetched into .runtime/lint once; deny.sh builds the third.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=infra/setup/environment.sh
source "$(dirname "$0")/environment.sh"

venv=$root/.runtime/lint
pinned_environment "$root/infra/setup/lint.txt" "$venv" lint-infra "make lint-infra" --require-hashes

cd "$root"
"$venv/bin/hadolint" infra/container/Containerfile.*
mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
"$venv/bin/shellcheck" --external-sources "${scripts[@]}"
say "hadolint and shellcheck found nothing in 2 container files and ${#scripts[@]} scripts"
infra/setup/deny.sh
