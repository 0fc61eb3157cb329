#!/usr/bin/env bash
# Builds the CUDA kernels for the CPU: build.sh check FILE     the comparison with the reference, with sanitizers
#                                      build.sh library FILE   a library that the recording driver launches them from
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
kernels=$here/../../../src/engine/cuda/kernels
flags=(-std=c++17 -g -Wall -Wextra -Werror -Wno-unknown-pragmas -I"$here" -I"$kernels")
case $1 in
  check)
    # what is found ends the program, and so the test
    exec "${CXX:-c++}" "${flags[@]}" -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
      -o "$2" "$here/check.cpp" "$here/launch.cpp" "$here/block.cpp"
    ;;
  library)
    exec "${CXX:-c++}" "${flags[@]}" -O2 -shared -fPIC -fvisibility=hidden -o "$2" "$here/launch.cpp" "$here/block.cpp"
    ;;
  *)
    echo "build.sh: \`$1\` is neither check nor library" >&2
    exit 2
    ;;
esac
