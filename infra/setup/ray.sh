#!/usr/bin/env bash
# Makes the pinned Python environment of infra/ray and its tests in .runtime/ray, or leaves it be where it is up to date.
#   ray.sh             what `make test-ray` runs
#   ray.sh --refresh   takes the newest Ray and rewrites infra/setup/ray.txt
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

lock=$root/infra/setup/ray.txt
venv=$root/.runtime/ray
python=$(find_python) || die "no Python from 3.11 to 3.13 on PATH" "run: make tools"
pip=(-m pip --disable-pip-version-check --no-input)

if [ "${1:-}" = --refresh ]; then
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  "$python" -m venv "$scratch/venv"
  "$scratch/venv/bin/python" "${pip[@]}" install --quiet --only-binary=:all: ray
  {
    echo "# Ray and what it needs, for infra/ray/drive.py and its tests. Made by: infra/setup/ray.sh --refresh"
    "$scratch/venv/bin/python" "${pip[@]}" freeze
  } >"$scratch/lock"
  cp "$scratch/lock" "$lock"
  say "wrote infra/setup/ray.txt: $(grep -c == "$lock") packages"
  exit 0
fi

# The stamp is the last thing written, so a broken-off install is begun again.
stamp=$("$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest(), sys.version.split()[0])' "$lock")
if [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null; then
  say "Ray is there: .runtime/ray"
  exit 0
fi

say "making .runtime/ray with $("$python" --version)"
rm -rf "$venv"
mkdir -p "$root/.runtime"
"$python" -m venv "$venv" || die "$python cannot make a virtual environment" "run: make tools"
"$venv/bin/python" "${pip[@]}" install --quiet --no-deps --only-binary=:all: --requirement "$lock" \
  || die "pip could not install infra/setup/ray.txt" "check that pip reaches your package index, then run: make test-ray"
"$venv/bin/python" "${pip[@]}" check >/dev/null || die "infra/setup/ray.txt is not complete" "run: infra/setup/ray.sh --refresh"
printf '%s\n' "$stamp" >"$venv/.stamp"
say "Ray is in .runtime/ray"
