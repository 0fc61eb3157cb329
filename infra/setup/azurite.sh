#!/usr/bin/env bash
# Puts the pinned Azurite into .runtime/azurite for the tests that run on Azure's blobs. It needs Node.js: as root on
# Debian it is installed. Elsewhere this prints how to install it; the tests are then left out, except in CI (CI=true),
# where they must run.
#   azurite.sh                  what `make test` runs
#   azurite.sh --refresh X      resolves azurite@X anew and rewrites infra/setup/azurite
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

lock=$root/infra/setup/azurite
target=$root/.runtime/azurite

# Azurite 3.35.0 is the last release for Node.js 20.
has_node() { command -v npm >/dev/null 2>&1 && node -e 'process.exit(parseInt(process.versions.node, 10) < 18 ? 1 : 0)' 2>/dev/null; }

if ! has_node && command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then
  say "installing Node.js"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q </dev/null && apt-get install -y -q --no-install-recommends nodejs npm </dev/null || true
fi
if ! has_node; then
  advice="install Node.js 18 or later with npm (Debian: sudo apt-get install nodejs npm)"
  if [ "${CI:-}" = true ]; then
    die "no Node.js for the tests on Azurite" "$advice"
  fi
  say "no Node.js: the tests on Azurite will be left out"
  say "  to run them, $advice"
  exit 0
fi

# No script of a package runs, and the lock has the hash of each.
npm_quietly() { npm --no-audit --no-fund --ignore-scripts --loglevel=error "$@" </dev/null; }

if [ "${1:-}" = --refresh ]; then
  version=${2:?which release? infra/setup/azurite.sh --refresh X}
  cd "$lock"
  npm_quietly install --package-lock-only --omit-lockfile-registry-resolved --save-exact "azurite@$version"
  exit 0
fi

if ! cmp -s "$lock/package-lock.json" "$target/package-lock.json" || [ ! -e "$target/ready" ]; then
  mkdir -p "$root/.runtime"
  work=$(mktemp -d "$root/.runtime/.new.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  say "installing Azurite into .runtime/azurite, once (190 MB)"
  mkdir "$work/new"
  cp "$lock/package.json" "$lock/package-lock.json" "$work/new/"
  (cd "$work/new" && npm_quietly ci >/dev/null) \
    || die "npm could not install Azurite" "check that npm reaches its registry, then run: make test"
  touch "$work/new/ready"
  rm -rf "$target"
  mv -T "$work/new" "$target"
fi
say "Azurite $("$target/node_modules/.bin/azurite-blob" --version) is in .runtime/azurite"
