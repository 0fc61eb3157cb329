#!/usr/bin/env bash
# Puts Prometheus, promtool and node_exporter into .runtime/prometheus for the tests of metrics, dashboard and alerts. They
# come out of Debian's packages without these being installed, so that no service is started.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/common.sh"

target=$root/.runtime/prometheus
programs=(prometheus promtool prometheus-node-exporter)

for program in "${programs[@]}"; do
  "$target/$program" --version >/dev/null 2>&1 || missing=yes
done
if [ -n "${missing:-}" ]; then
  if ! { command -v apt-get && command -v dpkg-deb; } >/dev/null; then
    die "this takes Prometheus and node_exporter from Debian's packages, and there is no apt-get here" "put ${programs[*]} into $target yourself, then run 'make test-monitoring' again"
  fi
  mkdir -p "$root/.runtime"
  work=$(mktemp -d "$root/.runtime/.new.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  chmod 755 "$work"
  say "fetching Prometheus and node_exporter (about 50 MB)"
  [ "$(id -u)" -ne 0 ] || apt-get update -q </dev/null >/dev/null || die "'apt-get update' failed" "check the network and the package sources, then run 'make test-monitoring' again"
  # apt's own user may not write here, which it would warn of
  (cd "$work" && apt-get -o APT::Sandbox::User=root download -q prometheus prometheus-node-exporter </dev/null >/dev/null) \
    || die "the packages prometheus and prometheus-node-exporter could not be fetched" "run: apt-get update"
  mkdir "$work/new" "$work/files"
  for package in "$work"/*.deb; do dpkg-deb --extract "$package" "$work/files"; done
  for program in "${programs[@]}"; do cp "$work/files/usr/bin/$program" "$work/new/"; done
  chmod 755 "$work/new"
  rm -rf "$target"
  mv -T "$work/new" "$target"
fi
say "Prometheus is in .runtime/prometheus: $("$target/prometheus" --version 2>&1 | sed -n 's/^\(prometheus, version [^ ]*\).*/\1/p'), $("$target/prometheus-node-exporter" --version 2>&1 | sed -n 's/^\(node_exporter, version [^ ]*\).*/\1/p')"
