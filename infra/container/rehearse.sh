#!/usr/bin/env bash
# Runs the steps of a Containerfile where there is no container engine: each stage in a separate Debian root, entered
# by chroot, in the order and with the user, the folder and the environment of the file.
#   rehearse.sh [FILE]                     infra/container/Containerfile.cpu if none is named
# Needs root on Debian, mmdebstrap, and a release in target/dist. The base images themselves are not used: a root of the
# same release of Debian, from the package sources of this machine, takes their place.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/../setup/common.sh"

file=${1:-$root/infra/container/Containerfile.cpu}
work=$root/.runtime/rehearsal

[ "$(id -u)" -eq 0 ] || die "entering a root by chroot needs root"
command -v mmdebstrap >/dev/null || die "mmdebstrap is not installed" "run: apt-get install -y --no-install-recommends mmdebstrap"
[ -r "$file" ] || die "no such file: $file"
[ -e "$root/target/dist/SHA256SUMS" ] || die "there is no release in target/dist" "run: make release"

# Prints the instructions, one a line: without comments, and with continued lines joined.
instructions() {
  sed -e '/^[[:space:]]*#/d' -e '/^[[:space:]]*$/d' "$1" | sed -e ':more' -e '/\\$/{N;s/\\\n[[:space:]]*//;bmore' -e '}'
}

# Makes the root that is used in place of a base image, once; it is kept.
base_root() {
  local release=$1 base=$work/base-$1
  if [ ! -e "$base/.complete" ]; then
    say "making a root of Debian $release" >&2
    rm -rf "$base"
    local sources=()
    for list in /etc/apt/sources.list /etc/apt/sources.list.d/*; do
      if grep -q '^\(deb \|URIs:\)' "$list" 2>/dev/null; then sources+=("$list"); fi
    done
    mmdebstrap --quiet --variant=minbase "$release" "$base" "${sources[@]}" >&2 \
      || die "mmdebstrap could not make a root of Debian $release" "this machine's package sources must be of that release"
    touch "$base/.complete"
  fi
  printf '%s\n' "$base"
}

# Runs a command of the stage in $stage as $user in $folder with $variables; mounts are gone when it ends.
enter() {
  local ca=/run/ca-certificates.crt
  # what this machine needs to reach its package index is no part of the image
  local passed=("SSL_CERT_FILE=$ca" "PIP_CERT=$ca")
  local name
  for name in http_proxy https_proxy no_proxy PIP_INDEX_URL PIP_EXTRA_INDEX_URL PIP_DEFAULT_TIMEOUT; do
    if [ -n "${!name:-}" ]; then passed+=("$name=${!name}"); fi
  done
  # shellcheck disable=SC2016 # it is the inner shell that expands
  </dev/null unshare --mount --propagation private bash -euc '
    stage=$1 user=$2 folder=$3 command=$4
    shift 4
    for each in /proc /dev; do
      mkdir -p "$stage$each"
      mount --rbind "$each" "$stage$each"
    done
    cp /etc/resolv.conf /etc/hosts "$stage/etc/"
    cp /etc/ssl/certs/ca-certificates.crt "$stage/run/"
    exec chroot --userspec="$user" "$stage" /usr/bin/env -i "$@" sh -c "cd $folder && $command"
  ' enter "$stage" "$user" "$folder" "$command" "${passed[@]}" "${variables[@]}"
}

begin() { # image [AS name]
  local image=$1 release
  stage=$work/stages/${3:-final}
  release=$(sed -n 's/.*[:-]\(bookworm\|trixie\|forky\)\(-.*\)\{0,1\}$/\1/p' <<<"$image")
  [ -n "$release" ] || die "$image names no release of Debian that is known here"
  rm -rf "$stage"
  mkdir -p "$work/stages"
  local base
  base=$(base_root "$release")
  cp -a --reflink=auto "$base" "$stage"
  user=0:0 folder=/
  variables=("HOME=/root" "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
  [[ $image == debian:* ]] || die "nothing here can be used in place of $image"
}

run() {
  command=$*
  [[ $command != --* ]] || die "an option of RUN that is not known here: $command"
  enter
}

copy() {
  local from=$root
  case $1 in
    --from=*)
      from=$work/stages/${1#--from=}
      shift
      ;;
    --*) die "an option of COPY that is not known here: $1" ;;
  esac
  local target=${*: -1} each found named=()
  [[ $target == /* ]] || target=${folder%/}/$target
  for each in "${@:1:$#-1}"; do
    # a pattern names the files that exist
    mapfile -t found < <(cd "$from" && compgen -G "${each#/}")
    [ ${#found[@]} -gt 0 ] || die "COPY: there is no $each"
    named+=("${found[@]}")
  done
  for each in "${named[@]}"; do
    [ "$from" != "$root" ] || is_sent "$each" || die "COPY: .dockerignore keeps $each from the engine"
    if [ -d "$from/$each" ]; then
      mkdir -p "$stage$target"
      cp -a "$from/$each/." "$stage$target/"
    elif [[ $target == */ ]]; then
      mkdir -p "$stage$target"
      cp -a "$from/$each" "$stage$target"
    else
      mkdir -p "$(dirname "$stage$target")"
      cp -a "$from/$each" "$stage$target"
    fi
  done
}

# True for files that .dockerignore does not exclude; it excludes all files but those that it names.
is_sent() {
  local kept
  while read -r kept; do
    # shellcheck disable=SC2053 # the right side is a pattern
    if [[ $1 == ${kept#!} || $1/ == "${kept#!}"/* ]]; then return 0; fi
  done < <(grep '^!' "$root/.dockerignore")
  return 1
}

# The words of a JSON list of plain words.
words() { tr -d '[]",' <<<"$1"; }

entrypoint="" command="" stage="" default=""
variables=()
while read -r instruction rest; do
  say "$instruction $rest"
  case $instruction in
    FROM)
      # shellcheck disable=SC2086 # words by intent
      begin $rest
      ;;
    RUN) run "$rest" </dev/null ;;
    COPY)
      # shellcheck disable=SC2086
      copy $rest
      ;;
    ENV)
      # shellcheck disable=SC2206
      variables+=($rest)
      ;;
    WORKDIR)
      folder=$rest
      mkdir -p "$stage$folder"
      ;;
    USER) user=$rest ;;
    ENTRYPOINT) entrypoint=$(words "$rest") ;;
    CMD) default=$(words "$rest") ;;
    LABEL | HEALTHCHECK) ;;
    *) die "an instruction that is not known here: $instruction" ;;
  esac
done < <(instructions "$file")

[ "${user%%:*}" != 0 ] || die "the file ends as root"
command="id && $entrypoint $default"
say "as user $user: $entrypoint $default"
enter || die "the program does not run in the image that $file makes"
say "every step ran, and \`$entrypoint $default\` runs as user $user in what they made: ${stage#"$root"/}"
