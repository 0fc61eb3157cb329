#!/usr/bin/env bash
# Finds a Chromium for the test that opens the report, or installs one as root on Debian. Elsewhere it prints how to
# install one; the test is then left out, except in CI (CI=true), where it must run.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

# Prints the first browser that answers; the test looks for the same names in the same order.
find_browser() {
  local candidate
  for candidate in "${TRESNET_BATCH_BROWSER:-}" chromium-headless-shell chromium chromium-browser google-chrome google-chrome-stable; do
    # an Ubuntu without snap has a launcher of that name that only prints a note
    if [ -n "$candidate" ] && "$candidate" --version >/dev/null 2>&1; then
      printf '%s\n' "$candidate"
      return 0
    fi
  done
  return 1
}

if browser=$(find_browser); then
  say "a browser is there: $browser ($("$browser" --version 2>/dev/null | head -n 1))"
  exit 0
fi

packages="chromium-headless-shell fonts-dejavu-core"
install="apt-get install -y --no-install-recommends $packages"
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" -eq 0 ]; then
  say "installing $packages"
  export DEBIAN_FRONTEND=noninteractive
  # shellcheck disable=SC2086 # a list of words by intent
  if apt-get update -q </dev/null && $install -q </dev/null && browser=$(find_browser); then
    say "a browser is there: $browser"
    exit 0
  fi
fi

advice="install Chromium or Chrome (Debian: sudo apt-get update && sudo $install), or name one with TRESNET_BATCH_BROWSER"
if [ "${CI:-}" = true ]; then
  die "no Chromium for the test of the HTML report" "$advice"
fi
say "no Chromium: the test that opens the HTML report will be left out"
say "  to run it, $advice"
