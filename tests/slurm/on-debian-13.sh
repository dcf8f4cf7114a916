#!/bin/bash
# on-debian-13.sh - the tests on a real Slurm again, on Debian 13's: Slurm 24.11 and Python 3.13, in a chroot.
#   tests/slurm/on-debian-13.sh [PYTEST-ARGUMENTS]    as root; without arguments all tests marked slurm
# The chroot is made once, in .cache/debian-13 (about 3 minutes, 1.5 GB); the checkout's files are copied into it anew.
set -euo pipefail
checkout=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
root=${VISPA_GREEN_DEBIAN_13:-$checkout/.cache/debian-13}
data=${VISPA_GREEN_DATA:-}
roots=/etc/ssl/certs/ca-certificates.crt # those of this machine: a site may have its own
mirror=${DEBIAN_MIRROR:-http://deb.debian.org/debian}

say() { echo "debian-13: $*"; }
die() { echo "debian-13: $*" >&2; exit 1; }

make_root() {
  [ ! -e "$root/made" ] || return 0
  command -v debootstrap >/dev/null || die "debootstrap is missing; run: $checkout/deploy/setup.sh full"
  say "making $root (log: $root.log)"
  rm -rf "$root" && mkdir -p "$root"
  debootstrap --variant=minbase trixie "$root" "$mirror" >"$root.log" 2>&1 || die "debootstrap failed; see $root.log"
  touch "$root/made"
}

copy_checkout() { # what is committed or new, as it stands here; .venv and .cache are the chroot's own
  mkdir -p "$root/checkout"
  find "$root/checkout" -mindepth 1 -maxdepth 1 ! -name .venv ! -name .cache -exec rm -rf {} +
  git -C "$checkout" ls-files -z --cached --others --exclude-standard --deduplicate |
    (cd "$checkout" && xargs -0 ls -d 2>/dev/null | tar -c --files-from=-) | tar -x -C "$root/checkout"
}

enter() { # within namespaces of its own, so that nothing stays mounted
  mount --make-rprivate /
  mount --bind "$root" "$root"
  mount -t proc proc "$root/proc"
  mount --rbind /sys "$root/sys"
  mount --rbind /dev "$root/dev"
  mount -t tmpfs tmpfs "$root/tmp"
  cp /etc/resolv.conf "$root/etc/resolv.conf"
  install -D "$roots" "$root$roots"
  if [ -d "$data" ]; then
    mkdir -p "$root/data"
    mount --bind "$data" "$root/data"
  fi
  exec chroot "$root" env -i HOME=/root USER=root LANG=C.UTF-8 PIP_CERT="$roots" SSL_CERT_FILE="$roots" \
    PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin CI="${CI:-}" VISPA_GREEN_DATA=/data \
    /checkout/tests/slurm/on-debian-13.sh --inside "$@"
}

run_tests() {
  cd "$checkout"
  deploy/setup.sh system
  deploy/setup.sh python
  say "$(dpkg-query -W -f 'Slurm ${Version}' slurmctld), $(.venv/bin/python --version)"
  [ $# -gt 0 ] || set -- -m slurm
  PYTHONPATH=deploy exec .venv/bin/python -m pytest "$@"
}

case ${1:-} in
  --inside) shift && run_tests "$@" ;;
  --enter) shift && enter "$@" ;;
  *)
    [ "$(id -u)" -eq 0 ] || die "chroot and mount need root; run: sudo $0"
    make_root
    copy_checkout
    exec unshare --mount --pid --fork --kill-child "$0" --enter "$@"
    ;;
esac
