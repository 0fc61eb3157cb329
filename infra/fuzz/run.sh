#!/usr/bin/env bash
# `make fuzz`: builds one target of tests/fuzz and runs it, one process, for SECONDS seconds.
# New inputs are kept in tests/fuzz/corpus, inputs that break it in tests/fuzz/artifacts; CORPUS names another folder.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/../setup/common.sh"
cd "$root"

target=${1:-}
seconds=${2:-}
[ -f "tests/fuzz/targets/$target.rs" ] || die "there is no fuzz target '$target'" \
  "name one of: $(cd tests/fuzz/targets && echo *.rs | sed 's/\.rs//g'), as in 'make fuzz TARGET=decode'"
[[ $seconds =~ ^[1-9][0-9]*$ ]] || die "'$seconds' is no number of seconds" "run: make fuzz TARGET=$target SECONDS=1800"
cargo +nightly --version >/dev/null 2>&1 || die "the sanitizers need a nightly compiler" \
  "run: rustup toolchain install nightly --profile minimal"
if ! command -v cargo-fuzz >/dev/null 2>&1; then
  say "installing cargo-fuzz"
  cargo install cargo-fuzz --locked --version 0.13.2
fi

# libjpeg and the shim between it and Rust are instrumented as well, except libjpeg's assembly
export CFLAGS="${CFLAGS:-} -fsanitize=address -fno-omit-frame-pointer"

corpus=${CORPUS:-tests/fuzz/corpus/$target}
mkdir -p "$corpus"
exec cargo +nightly fuzz run --fuzz-dir tests/fuzz "$target" "$corpus" "tests/fuzz/seeds/$target" -- \
  "-dict=tests/fuzz/dictionaries/$target.dict" -fork=0 -max_len=65536 -rss_limit_mb=2048 -timeout=25 \
  "-max_total_time=$seconds" -print_final_stats=1
