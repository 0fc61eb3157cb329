# shellcheck shell=bash
# What the scripts of a release share. Sourced after setup/common.sh, never run.

# shellcheck disable=SC2154 # from setup/common.sh
dist=$root/target/dist
# shellcheck disable=SC2034 # used by the scripts that source this
prefix=$dist/prefix
machine=$(uname -m)
target=$machine-unknown-linux-gnu
glibc=2.28
# shellcheck disable=SC2034
program=$root/target/$target/release/tresnet-batch
# shellcheck disable=SC2034
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$root/Cargo.toml" | head -n 1)

# The commit of the checkout, with a mark where files differ from it. TRESNET_BATCH_COMMIT keeps it for a whole release: the
# checkout may go on meanwhile, and all its files have to hold the same program.
commit() {
  if [ -n "${TRESNET_BATCH_COMMIT:-}" ]; then
    printf '%s\n' "$TRESNET_BATCH_COMMIT"
    return 0
  fi
  local commit
  commit=$(git -C "$root" rev-parse --short=12 HEAD 2>/dev/null) || return 0
  if [ -n "$(git -C "$root" status --porcelain 2>/dev/null)" ]; then commit=$commit+changes; fi
  printf '%s\n' "$commit"
}

# build_wheel FOLDER: builds the program by zig, against glibc's old symbols, and writes the wheel to FOLDER.
build_wheel() {
  mkdir -p "$root/infra/wheel/data"
  cp "$root/LICENSE" "$root/infra/wheel/LICENSE"
  # maturin takes the pyproject.toml of the folder that it runs in
  (
    cd "$root/infra/wheel" || exit
    PATH=$root/.runtime/wheel/bin:$PATH TRESNET_BATCH_COMMIT=$(commit) \
      maturin build --quiet --release --zig --target "$target" --compatibility "manylinux_${glibc/./_}" --out "$1"
  )
}

# share PROGRAM FOLDER: man pages, completions and the schema, as the program prints them.
share() {
  mkdir -p "$2"/man/man1 "$2"/bash-completion/completions "$2"/zsh/site-functions "$2"/fish/vendor_completions.d \
    "$2"/tresnet-batch
  "$1" --quiet man "$2/man/man1"
  "$1" completions bash >"$2/bash-completion/completions/tresnet-batch"
  "$1" completions zsh >"$2/zsh/site-functions/_tresnet-batch"
  "$1" completions fish >"$2/fish/vendor_completions.d/tresnet-batch.fish"
  "$1" schema >"$2/tresnet-batch/job.schema.json"
}
