#!/usr/bin/env bash
# Makes the pinned Python environment of the tests and of the demo in .venv, or leaves it be where it is up to date.
#   python.sh             what `make python` runs
#   python.sh --refresh   resolves tests/requirements.in anew and rewrites tests/requirements.txt
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

lock=$root/tests/requirements.txt
venv=$root/.venv
python=$(find_python) || die "no Python from 3.11 to 3.13 on PATH" "run: make tools"
pip=(-m pip --disable-pip-version-check --no-input)

if [ "${1:-}" = --refresh ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  "$python" -m venv "$scratch/venv"
  "$scratch/venv/bin/python" "${pip[@]}" install --quiet --only-binary=:all: --requirement "$root/tests/requirements.in"
  {
    echo "# Every package of the test environment, its indirect ones too. Made from tests/requirements.in by:"
    echo "#   infra/setup/python.sh --refresh"
    "$scratch/venv/bin/python" "${pip[@]}" freeze
  } >"$scratch/lock"
  cp "$scratch/lock" "$lock"
  say "wrote tests/requirements.txt: $(grep -c == "$lock") packages"
  exit 0
fi

# The stamp is the last thing written, so a broken-off install is begun again.
stamp=$("$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest(), sys.version.split()[0])' "$lock")
if [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null; then
  say "the Python environment is up to date: .venv"
  exit 0
fi

say "making .venv with $("$python" --version)"
rm -rf "$venv"
"$python" -m venv "$venv" || die "$python cannot make a virtual environment" "run: make tools"
# no resolving here: what the lock does not name does not come in, and `check` finds what it forgot
"$venv/bin/python" "${pip[@]}" install --quiet --no-deps --only-binary=:all: --requirement "$lock" \
  || die "pip could not install tests/requirements.txt" "check that pip reaches your package index, then run: make python"
"$venv/bin/python" "${pip[@]}" check >/dev/null || die "tests/requirements.txt is not complete" "run: infra/setup/python.sh --refresh"
printf '%s\n' "$stamp" >"$venv/.stamp"
say "the Python environment is in .venv"
