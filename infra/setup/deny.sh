#!/usr/bin/env bash
# Checks the licences, bans and sources of all dependencies with cargo-deny, and their advisories if the database can be
# fetched. cargo builds the program into .runtime/cargo-deny once: about five minutes on one core. deny.toml configures it.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

version=0.20.2
folder=$root/.runtime/cargo-deny
deny=$folder/bin/cargo-deny

cd "$root"
if [ "$("$deny" --version 2>/dev/null)" = "cargo-deny $version" ]; then
  say "cargo-deny $version is up to date"
else
  say "building cargo-deny $version into .runtime/cargo-deny, once: some minutes"
  SECONDS=0
  cargo install cargo-deny --quiet --debug --locked --force --version "$version" --root "$folder" </dev/null \
    || die "cargo could not build cargo-deny $version" "check that cargo reaches crates.io, then run: make lint-infra"
  say "built cargo-deny $version in $SECONDS s"
fi

manifests=(Cargo.toml tests/fuzz/Cargo.toml)
check() { # CHECK...
  local manifest
  for manifest in "${manifests[@]}"; do
    say "$manifest: cargo-deny checks $*"
    "$deny" --locked --manifest-path "$manifest" --config deny.toml check "$@" \
      || die "cargo-deny refuses the dependencies of $manifest" "the reason is above; what to do is in CONTRIBUTING.md, 'How to add a dependency'"
  done
}

check licenses bans sources

# A failed fetch is no finding: without network the other checks still count. A finding ends with an error.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if GIT_TERMINAL_PROMPT=0 timeout 120 "$deny" --locked --config deny.toml fetch db </dev/null >"$log" 2>&1; then
  check advisories
else
  reason=$(grep -m 1 -E '^(fatal|error):' "$log" || tail -n 1 "$log")
  say "advisories are not checked, the database cannot be fetched: ${reason:-no answer within 120 s}"
fi
