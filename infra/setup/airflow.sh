#!/usr/bin/env bash
# Makes the pinned Airflow in .runtime/airflow, an environment of its own for the tests of infra/airflow, or leaves it
# be where it is up to date.
#   airflow.sh                              what `make test-airflow` runs
#   airflow.sh --refresh apache-airflow==X  resolves X anew and rewrites infra/setup/airflow.txt
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

lock=$root/infra/setup/airflow.txt
venv=$root/.runtime/airflow
python=$(find_python) || die "no Python from 3.11 to 3.13 on PATH" "run: make tools"
pip=(-m pip --disable-pip-version-check --no-input)

if [ "${1:-}" = --refresh ]; then
  wanted=${2:?which release? infra/setup/airflow.sh --refresh apache-airflow==X}
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  "$python" -m venv "$scratch/venv"
  "$scratch/venv/bin/python" "${pip[@]}" install --quiet --only-binary=:all: "$wanted"
  {
    echo "# Airflow and every package under it, for \`make test-airflow\`. Made by:"
    echo "#   infra/setup/airflow.sh --refresh $wanted"
    "$scratch/venv/bin/python" "${pip[@]}" freeze
  } >"$scratch/lock"
  cp "$scratch/lock" "$lock"
  say "wrote infra/setup/airflow.txt: $(grep -c == "$lock") packages"
  exit 0
fi

version=$(sed -n 's/^apache-airflow==//p' "$lock")
# The stamp is the last thing written, so a broken-off install is begun again.
stamp="$(sha256sum <"$lock" | cut -d' ' -f1) $("$python" --version) $venv"
if [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null; then
  say "Airflow $version is there: .runtime/airflow"
  exit 0
fi

say "installing Airflow $version ($(grep -c == "$lock") packages) into .runtime/airflow"
rm -rf "$venv"
mkdir -p "$root/.runtime"
"$python" -m venv "$venv" || die "$python cannot make a virtual environment" "run: make tools"
# no resolving here: what the lock does not name does not come in, and `check` finds what it forgot
"$venv/bin/python" "${pip[@]}" install --quiet --no-deps --only-binary=:all: --requirement "$lock" \
  || die "pip could not install infra/setup/airflow.txt" "check that pip reaches your package index, then run: make test-airflow"
"$venv/bin/python" "${pip[@]}" check >/dev/null || die "infra/setup/airflow.txt is not complete" "run: infra/setup/airflow.sh --refresh apache-airflow==$version"
printf '%s\n' "$stamp" >"$venv/.stamp"
say "Airflow $version is in .runtime/airflow"
