#!/usr/bin/env bash
# share.sh PROGRAM FOLDER: what `make man` runs.
set -euo pipefail
# shellcheck source=infra/setup/common.sh
source "$(dirname "$0")/../setup/common.sh"
# shellcheck source=infra/release/common.sh
source "$(dirname "$0")/common.sh"
share "$1" "$2"
