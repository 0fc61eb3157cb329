#!/usr/bin/env bash
# Makes the pinned Airflow in .runtime/airflow, a separate environment for the tests of infra/airflow, unless it is up to
# date.
#   airflow.sh                              what `make test-airflow` runs
#   airflow.sh --refresh apache-airflow==X  resolves X anew and rewrites infra/setup/airflow.txt
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=infra/setup/environment.sh
source "$(dirname "$0")/environment.sh"

lock=$root/infra/setup/airflow.txt

if [ "${1:-}" = --refresh ]; then
  wanted=${2:?which release? infra/setup/airflow.sh --refresh apache-airflow==X}
  refresh_lock "$lock" "# Airflow and every package under it, for \`make test-airflow\`. Made by:
#   infra/setup/airflow.sh --refresh $wanted" "$wanted"
else
  version=$(sed -n 's/^apache-airflow==//p' "$lock")
  pinned_environment "$lock" "$root/.runtime/airflow" test-airflow "infra/setup/airflow.sh --refresh apache-airflow==$version"
fi
