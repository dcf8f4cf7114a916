#!/bin/bash
# build.sh - dist/vispa-green_VERSION-1_ARCHITECTURE.deb, for Debian releases with the Python of this machine.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)
python=${VISPA_GREEN_PYTHON:-/usr/bin/python3}

version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$checkout/pyproject.toml")
architecture=$(dpkg --print-architecture)
minor=$("$python" -c 'import sys; print(sys.version_info.minor)')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root

"$here/../packages/tree.sh" "$root"
install -d "$root/DEBIAN"
script() { # NAME ARGUMENT: a script of the package, which does something when dpkg calls it with ARGUMENT
  printf '#!/bin/sh\nset -e\n[ "$1" = %s ] || exit 0\n' "$2" | cat - "$here/../packages/$1.sh"
}
script installed configure >"$root/DEBIAN/postinst"
script removing remove >"$root/DEBIAN/prerm"
cp "$here/postrm" "$root/DEBIAN/"
chmod 755 "$root/DEBIAN/"{postinst,prerm,postrm}
echo /etc/vispa-green/config.toml >"$root/DEBIAN/conffiles"
cat >"$root/DEBIAN/control" <<CONTROL
Package: vispa-green
Version: $version-1
Architecture: $architecture
Maintainer: vispa-green
Installed-Size: $(du -sk --exclude=DEBIAN "$root" | cut -f1)
Depends: python3 (>= 3.$minor), python3 (<< 3.$((minor + 1))), systemd | systemd-standalone-sysusers, systemd | systemd-standalone-tmpfiles
Recommends: slurm-client
Section: admin
Priority: optional
Description: what every Slurm job costs in energy and CO2
 An agent on each node accounts its energy to jobs, a ledger keeps the account,
 and gsbatch lets jobs wait for green hours. Everything it needs besides Python
 is in /opt/vispa-green. No service is started or enabled by the installation.
CONTROL
mkdir -p "$checkout/dist"
dpkg-deb --root-owner-group -Zzstd --build "$root" "$checkout/dist/vispa-green_$version-1_$architecture.deb"
