#!/usr/bin/env bash
# `make release`: writes the files of a release to target/dist: the wheel, an archive, a Debian package, the debug
# information, the list of components (SBOM), and the checksums of them all.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/../setup/common.sh"
# shellcheck source=infra/release/common.sh
source "$(dirname "$0")/common.sh"

command -v dpkg-deb >/dev/null || die "dpkg-deb is not installed" "it is in Debian's package dpkg: a release is made on Debian or Ubuntu"
TRESNET_BATCH_COMMIT=$(commit)
export TRESNET_BATCH_COMMIT
"$root/infra/release/tree.sh"
"$root/infra/wheel/build.sh" --of-this-prefix

# the same time for every file, that of the commit, so that the same commit gives the same archives
SOURCE_DATE_EPOCH=$(git -C "$root" log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH
name=tresnet-batch-$version-$machine-linux
rm -rf "${dist:?}/$name" "${dist:?}/draft"
cp -a "$prefix" "$dist/$name"
cp "$root/LICENSE" "$root/README.md" "$root/CHANGELOG.md" "$dist/$name/"
archive() { # NAME FOLDER
  tar --create --gzip --file "$dist/$1" --directory "$dist" --sort=name --owner=0 --group=0 --numeric-owner \
    --mtime="@$SOURCE_DATE_EPOCH" "$2"
}
archive "$name.tar.gz" "$name"
archive "$name.debug.tar.gz" tresnet-batch.debug

case $machine in x86_64) architecture=amd64 ;; aarch64) architecture=arm64 ;; *) die "no Debian name is known for $machine" "add it to infra/release/build.sh" ;; esac
package=$dist/package
rm -rf "$package"
mkdir -p "$package/usr" "$package/DEBIAN" "$package/usr/share/doc/tresnet-batch"
cp -a "$prefix"/. "$package/usr/"
cp "$root/LICENSE" "$package/usr/share/doc/tresnet-batch/copyright"
gzip -9n <"$root/CHANGELOG.md" >"$package/usr/share/doc/tresnet-batch/changelog.gz"
mkdir -p "$package/usr/share/zsh/vendor-completions"
mv "$package/usr/share/zsh/site-functions/_tresnet-batch" "$package/usr/share/zsh/vendor-completions/"
rmdir "$package/usr/share/zsh/site-functions"
gzip -9n "$package"/usr/share/man/man1/*.1
cat >"$package/DEBIAN/control" <<CONTROL
Package: tresnet-batch
Version: $version
Architecture: $architecture
Maintainer: the tresnet-batch project <noreply@tresnet-batch.invalid>
Depends: libc6 (>= $glibc), libstdc++6, libgcc-s1, ca-certificates
Section: science
Priority: optional
Installed-Size: $(du -sk "$package/usr" | cut -f1)
Description: offline image classification at scale
 Streams images from object storage or a disk, runs a TResNet or another classifier on ONNX Runtime, and writes
 exactly one Parquet row an image.
CONTROL
dpkg-deb --build --root-owner-group -Zxz "$package" "$dist/tresnet-batch_${version}_$architecture.deb" >/dev/null

unzip_one() { "$root/.venv/bin/python" -c 'import sys, zipfile
archive = zipfile.ZipFile(sys.argv[1]); names = [name for name in archive.namelist() if name.endswith(".cyclonedx.json")]
assert len(names) == 1, names
sys.stdout.buffer.write(archive.read(names[0]))' "$1"; }
unzip_one "$dist"/tresnet_batch-*.whl >"$dist/$name.cyclonedx.json"

(cd "$dist" && sha256sum -- *.whl *.tar.gz *.deb *.cyclonedx.json >SHA256SUMS)
rm -rf "$package" "${dist:?}/$name"
say "target/dist has:"
(cd "$dist" && du -h --apparent-size -- *.whl *.tar.gz *.deb *.cyclonedx.json SHA256SUMS)
