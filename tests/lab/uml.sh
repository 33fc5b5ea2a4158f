#!/bin/bash
# Starts User-mode Linux with these arguments. See uml-registers.c for what is put in front of it, and why.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
library=$here/../../target/tmp/uml-registers.so
if [[ ! $library -nt $here/uml-registers.c ]]; then
    mkdir -p "${library%/*}"
    cc -shared -fPIC -O2 -o "$library.$$" "$here/uml-registers.c" -ldl
    mv "$library.$$" "$library"
fi
LD_PRELOAD=$library exec linux.uml "$@"
