#!/bin/bash
# setup.sh - make this machine and this checkout able to run the tests and the demo.
#   deploy/setup.sh system    Debian packages of deploy/debian-packages.txt, only those that are missing
#   deploy/setup.sh python    .venv with vispa-green[dev], only when pyproject.toml changed
# Both return at once when there is nothing to do, so `make` runs them before everything else.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(dirname "$here")

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

# ---- system ------------------------------------------------------------------------------------

missing_packages() {
  local wanted
  mapfile -t wanted < <(grep -Ev '^[[:space:]]*(#|$)' "$here/debian-packages.txt")
  # dpkg-query fails when it does not know one of the names: what it prints about the others still counts
  comm -23 <(printf '%s\n' "${wanted[@]}" | sort) \
    <({ dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true; } |
      sed -n 's/^installed //p' | sort)
}

install_packages() { # runs as root; the arguments are package names
  local policy=/usr/sbin/policy-rc.d log
  log=$(mktemp)
  # Without this file Debian would start slurmd, slurmctld, mariadb ... as services of this machine.
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
  fi
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get -q update && apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"; } >"$log" 2>&1
  then
    tail -n 20 "$log" >&2
    die "apt-get failed; the whole output is in $log"
  fi
  rm -f "$log"
}

setup_system() {
  command -v dpkg-query >/dev/null ||
    die "this is no Debian; install what corresponds to deploy/debian-packages.txt, then run 'deploy/setup.sh python'"
  local missing
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  say "missing Debian packages: ${missing[*]}"
  if [ "$(id -u)" -eq 0 ]; then
    say "installing them (about half a minute; no service is started)"
    install_packages "${missing[@]}"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    say "installing them with sudo (about half a minute; no service is started)"
    sudo -n "$here/setup.sh" system
  else
    die "they need root; run this once as root, then repeat your command:
  $here/setup.sh system"
  fi
}

# ---- python ------------------------------------------------------------------------------------

find_python() {
  local candidate
  for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11 /usr/bin/python3; do
    if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$candidate"
      return
    fi
  done
  die "no Python >= 3.11 with venv on PATH; install one (Debian 12: python3-venv) or set PYTHON=/path/to/python3"
}

setup_python() {
  cd "$checkout"
  local venv=.venv wanted python
  # The checkout's place counts too: an editable install points to it.
  wanted=$({ cat pyproject.toml; pwd; } | sha256sum | cut -d' ' -f1)
  is_current() { [ -x $venv/bin/python ] && [ "$(cat $venv/installed-for 2>/dev/null)" = "$wanted" ]; }
  is_current && return 0
  mkdir -p .cache
  exec 9>.cache/setup.lock # two `make` at the same time must not install into one .venv
  flock 9
  is_current && return 0
  if ! $venv/bin/python -m pip --version >/dev/null 2>&1; then
    python=$(find_python)
    say "making .venv with $python"
    "$python" -m venv --clear $venv
  fi
  say "installing vispa-green[dev] into .venv"
  $venv/bin/python -m pip install --quiet --disable-pip-version-check --root-user-action=ignore -e '.[dev]' ||
    die "pip failed (see above); repeat 'deploy/setup.sh python' when the cause is gone"
  echo "$wanted" >$venv/installed-for
}

case "${1:-}" in
  system) setup_system ;;
  python) setup_python ;;
  *) die "usage: deploy/setup.sh system | python" ;;
esac
