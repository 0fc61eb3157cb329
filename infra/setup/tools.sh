#!/usr/bin/env bash
# Checks the tools that the build needs. As root on Debian or Ubuntu it installs those that are missing.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

has() { command -v "$1" >/dev/null 2>&1; }

packages=()
has cc || packages+=(gcc libc6-dev)
# tests compile the CUDA kernels for the CPU
has c++ || packages+=(g++)
has cmake || packages+=(cmake)
has nasm || packages+=(nasm)
has curl || packages+=(curl ca-certificates)
python=$(find_python || true)
if [ -z "$python" ]; then
  packages+=(python3 python3-venv)
elif ! can_make_venv "$python"; then
  # Debian names the package after the version; an interpreter from elsewhere brings its own
  packages+=("python$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])')-venv")
fi

if [ ${#packages[@]} -gt 0 ]; then
  install="apt-get install -y --no-install-recommends ${packages[*]}"
  if ! has apt-get; then
    die "these are missing (by their Debian names): ${packages[*]}" "install them with your system's package manager, then run 'make setup' again"
  elif [ "$(id -u)" -ne 0 ]; then
    die "these packages are missing: ${packages[*]}" "run: sudo apt-get update && sudo $install"
  fi
  say "installing ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -q </dev/null || die "'apt-get update' failed" "check the network and the package sources, then run 'make setup' again"
  # shellcheck disable=SC2086 # a list of words by intent
  $install -q </dev/null || die "the packages above could not be installed" "run: apt-get update && $install"
  python=$(find_python) || die "no Python from 3.11 to 3.13, even after installing python3" "install Python 3.12 and put python3.12 on PATH"
  can_make_venv "$python" || die "$python cannot make virtual environments" "run: apt-get install python3-venv"
fi

has cargo || die "cargo is not on PATH" "install Rust with rustup (https://rustup.rs), open a new shell, then run 'make setup' again"
needed=$(sed -n 's/^rust-version *= *"\(.*\)"/\1/p' "$root/Cargo.toml")
found=$(cd "$root" && cargo --version | cut -d' ' -f2) || die "cargo does not start" "run: rustup toolchain install, which reads rust-toolchain.toml"
if [ "$(printf '%s\n%s\n' "$needed" "$found" | sort -V | head -n 1)" != "$needed" ]; then
  die "cargo $found is too old, this project needs $needed" "install Rust with rustup (https://rustup.rs), which reads rust-toolchain.toml"
fi

say "tools are there: cargo $found, $(cc --version | head -n 1), $(cmake --version | head -n 1), $(nasm -v | cut -d' ' -f1-3), $("$python" --version)"
