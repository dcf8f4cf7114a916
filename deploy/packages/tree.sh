#!/bin/bash
# tree.sh DIRECTORY - what a package installs, below DIRECTORY: a Python environment of its own in /opt/vispa-green,
# links to its programs, units and a configuration.
#
# The environment runs the Python of the machine that installs it: VISPA_GREEN_PYTHON (/usr/bin/python3) has to be
# there at the same place and of the same minor version, which is what the packages depend on.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)
python=${VISPA_GREEN_PYTHON:-/usr/bin/python3}
extras=postgres,report,server,sim,jobs
root=$1
opt=$root/opt/vispa-green

mkdir -p "$root"
wheels=$(mktemp -d)
trap 'rm -rf "$wheels"' EXIT
pip=("$checkout/.venv/bin/python" -m pip --disable-pip-version-check)
"${pip[@]}" wheel --quiet --no-deps --wheel-dir "$wheels" "$checkout"

# pip is the checkout's: the package brings none.
"$python" -m venv --without-pip "$opt"
"${pip[@]}" --python "$opt/bin/python3" install --quiet --no-compile --root-user-action=ignore \
  "$(echo "$wheels"/*.whl)[$extras]"

# What names the place where it was built: scripts of dependencies and of the environment itself, and
# what is noted of its making.
find "$opt/bin" -type f ! -name vispa-green ! -name gsbatch -delete
sed -i "s|$root/|/|g" "$opt/pyvenv.cfg"
rm "$opt"/lib/python3.*/site-packages/vispa_green-*.dist-info/direct_url.json
# Nobody who runs it may write bytecode there; it is never compared with its source.
"$opt/bin/python3" -m compileall -q -j 2 --invalidation-mode unchecked-hash -s "$root" -p / "$opt/lib"

install -d "$root/usr/bin" "$root/usr/lib/systemd/system" "$root/usr/lib/sysusers.d" "$root/usr/lib/tmpfiles.d" \
  "$root/usr/share/doc/vispa-green" "$root/etc/vispa-green"
ln -s /opt/vispa-green/bin/vispa-green /opt/vispa-green/bin/gsbatch "$root/usr/bin/"
cp -R "$here/../systemd/"*.service "$here/../systemd/"*.timer "$here/../systemd/vispa-green-.service.d" \
  "$root/usr/lib/systemd/system/"
install -m 644 "$here/../systemd/sysusers.d/vispa-green.conf" "$root/usr/lib/sysusers.d/"
install -m 644 "$here/../systemd/tmpfiles.d/vispa-green.conf" "$root/usr/lib/tmpfiles.d/"
install -m 644 "$here/config.toml" "$root/etc/vispa-green/"
install -m 644 "$checkout/docs/operations.md" "$checkout/docs/CHANGELOG.md" "$root/usr/share/doc/vispa-green/"
install -m 644 "$checkout/LICENSE" "$root/usr/share/doc/vispa-green/copyright"
chmod -R u=rwX,go=rX "$root"
