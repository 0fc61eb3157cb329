#!/usr/bin/env bash
# Checks the spelling of every text of the checkout with typos. The program is installed into .runtime/spelling once;
# after that, the check needs no network. _typos.toml configures it.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"
# shellcheck source=infra/setup/environment.sh
source "$(dirname "$0")/environment.sh"

venv=$root/.runtime/spelling
pinned_environment "$root/infra/setup/spelling.txt" "$venv" check "make check" --require-hashes

cd "$root"
"$venv/bin/typos" || die "typos found misspelt words" \
  "correct them, or add a real term to _typos.toml with a comment that explains it"
say "typos found no misspelt word"
