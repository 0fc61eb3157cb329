#!/usr/bin/env bash
# Builds the book into target/book/html: checks every page, puts the sources together and runs mdBook, which cargo builds
# into .runtime/mdbook once. The argument is the program whose commands the book describes.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/../setup/common.sh"

version=0.5.4
folder=$root/.runtime/mdbook
mdbook=$folder/bin/mdbook
python=${TRESNET_BATCH_PYTHON:-$root/.venv/bin/python}
program=${1:-$root/target/release/tresnet-batch}
book=$root/target/book

cd "$root"
[ -x "$program" ] || die "$program does not exist" "run: make book"
if [ "$("$mdbook" --version 2>/dev/null)" = "mdbook v$version" ]; then
  say "mdBook $version is up to date"
else
  say "building mdBook $version into .runtime/mdbook, once: some minutes"
  SECONDS=0
  cargo install mdbook --quiet --debug --locked --force --version "$version" --no-default-features --features search \
    --root "$folder" </dev/null \
    || die "cargo could not build mdBook $version" "check that cargo reaches crates.io, then run: make book"
  say "built mdBook $version in $SECONDS s"
fi

"$python" infra/book/check.py "$program"
"$python" infra/book/build.py "$program" "$book"
# a warning names a page or link that is missing
log=$(mktemp)
trap 'rm -f "$log"' EXIT
"$mdbook" build "$book" 2>&1 | tee "$log"
if grep -q -E 'WARN|ERROR' "$log"; then
  die "mdBook has warnings" "they are above"
fi
say "open $book/html/index.html"
