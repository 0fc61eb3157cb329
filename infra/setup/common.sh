# shellcheck shell=bash
# Functions of the setup scripts. Sourced, never run.

# shellcheck disable=SC2034 # used by the scripts that source this
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

say() { printf 'setup: %s\n' "$*"; }

# Prints what is wrong and the one thing to do about it, then ends the script.
die() {
  printf 'setup: error: %s\n' "$1" >&2
  shift
  for line in "$@"; do printf 'setup:        %s\n' "$line" >&2; done
  exit 1
}

# Prints the interpreter for virtual environments: the first one that answers with a version from 3.11 to 3.13.
# The test environment's packages are pinned to releases that ship wheels for exactly those.
find_python() {
  local candidate
  for candidate in python3 python3.13 python3.12 python3.11; do
    # a version manager may put a launcher on PATH for a version that it then refuses to run: only an answer counts
    if "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

# A Python that can make a virtual environment needs pip's bundled copy, which Debian ships apart.
can_make_venv() { "$1" -c 'import venv, ensurepip' 2>/dev/null; }

# Prints an interpreter that has pip. A system Python without it still has the copy that fills virtual environments; one
# is made in the folder that is given then.
python_with_pip() {
  local python
  python=$(find_python) || die "no Python from 3.11 to 3.13 on PATH" "run: make tools"
  if ! "$python" -m pip --version >/dev/null 2>&1; then
    "$python" -m venv "$1/venv" || die "$python cannot make a virtual environment" "run: make tools"
    python=$1/venv/bin/python
  fi
  printf '%s\n' "$python"
}
