# shellcheck shell=bash
# Pinned Python environments. Sourced after common.sh, never run.

pip=(-m pip --disable-pip-version-check --no-input)

# refresh_lock LOCK HEAD ARGUMENT...: lets pip resolve what the arguments name, and writes every package of it into LOCK,
# after the comment HEAD.
refresh_lock() {
  local lock=$1 head=$2 python
  shift 2
  python=$(find_python) || die "no Python from 3.11 to 3.13 on PATH" "run: make tools"
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  "$python" -m venv "$scratch/venv"
  "$scratch/venv/bin/python" "${pip[@]}" install --quiet --only-binary=:all: "$@"
  {
    printf '%s\n' "$head"
    "$scratch/venv/bin/python" "${pip[@]}" freeze
  } >"$scratch/lock"
  cp "$scratch/lock" "$lock"
  say "wrote ${lock#"$root"/}: $(grep -c == "$lock") packages"
}

# pinned_environment LOCK FOLDER TARGET REFRESH [OPTION...]: makes the environment of LOCK in FOLDER unless it is up to date.
# TARGET is the make target that needs it and REFRESH the command that makes LOCK anew; options are pip's.
pinned_environment() {
  local lock=$1 venv=$2 target=$3 refresh=$4 name=${2#"$root"/} python stamp
  shift 4
  python=$(find_python) || die "no Python from 3.11 to 3.13 on PATH" "run: make tools"
  # The stamp is the last thing written, so a broken-off install is begun again.
  stamp=$("$python" -c 'import hashlib, sys; print(hashlib.sha256(open(sys.argv[1], "rb").read()).hexdigest(), sys.version.split()[0])' "$lock")
  if [ "$(cat "$venv/.stamp" 2>/dev/null)" = "$stamp" ] && "$venv/bin/python" -c '' 2>/dev/null; then
    say "$name is up to date"
    return
  fi
  say "making $name with $("$python" --version), $(grep -c == "$lock") packages"
  rm -rf "$venv"
  mkdir -p "$(dirname "$venv")"
  "$python" -m venv "$venv" || die "$python cannot make a virtual environment" "run: make tools"
  # without resolving: packages that are not in the lock are not installed, and `check` finds those that are missing
  "$venv/bin/python" "${pip[@]}" install --quiet --no-deps --only-binary=:all: "$@" --requirement "$lock" \
    || die "pip could not install ${lock#"$root"/}" "check that pip reaches your package index, then run: make $target"
  "$venv/bin/python" "${pip[@]}" check >/dev/null || die "${lock#"$root"/} is not complete" "run: $refresh"
  printf '%s\n' "$stamp" >"$venv/.stamp"
  say "$name is there"
}
