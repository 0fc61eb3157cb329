#!/usr/bin/env bash
# One call of the check on a machine with a GPU, from the project's root there:
#   infra/gpu/call.sh PACK N [ARGUMENTS OF check.py]
# PACK is the folder that pack.sh made, N the number of the call (check.py lists them). Each takes less than eight minutes and
# appends to $OUT, or to PLACE/out without that variable.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
pack=${1:?usage: call.sh PACK N}
number=${2:?usage: call.sh PACK N}
shift 2
# a machine that is reached by a tool may have no HOME
place=${PLACE:-${HOME:-/root}/tresnet-batch-gpu}
python3 "$here/unpack.py" "$pack" "$place"
export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
exec python3 "$here/check.py" --program "$place/tresnet-batch" --onnxruntime "$place/.runtime/cuda" --work "$place/work" \
  --out "${OUT:-$place/out}" --call "$number" "$@"
