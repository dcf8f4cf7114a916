#!/bin/bash
# build.sh - dist/vispa-green-VERSION-1.ARCHITECTURE.rpm, for machines that have this machine's /usr/bin/python3.MINOR.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(cd "$here/../.." && pwd)
# The name with its minor version: Enterprise Linux has a newer Python beside its own python3 under that name only.
python=${VISPA_GREEN_PYTHON:-$(/usr/bin/python3 -c 'import sys; print(f"/usr/bin/python3.{sys.version_info.minor}")')}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

VISPA_GREEN_PYTHON=$python "$here/../packages/tree.sh" "$work/root"
rpmbuild -bb --quiet \
  --define "_topdir $work/rpmbuild" --define "_rpmdir $work/rpms" \
  --define "version_of_ours $(sed -n 's/^version = "\(.*\)"/\1/p' "$checkout/pyproject.toml")" \
  --define "python_of_ours $python" --define "tree_of_ours $work/root" --define "scripts_of_ours $here/../packages" \
  "$here/vispa-green.spec"
mkdir -p "$checkout/dist"
cp "$work"/rpms/*/*.rpm "$checkout/dist/"
ls "$checkout/dist/"*.rpm
