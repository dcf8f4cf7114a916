#!/bin/bash
# setup.sh - make this machine and this checkout able to run the tests and the demo.
#   deploy/setup.sh system    Debian packages of deploy/debian-packages.txt, only those that are missing
#   deploy/setup.sh full      those of deploy/debian-packages-full.txt besides
#   deploy/setup.sh python    .venv with vispa-green[dev], only when pyproject.toml changed
#   deploy/setup.sh torch     what the bundled jobs need besides: a CPU build of torch, where one can be had
# Both return at once when there is nothing to do, so `make` runs them before everything else.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
checkout=$(dirname "$here")

say() { echo "setup: $*"; }
die() { echo "setup: $*" >&2; exit 1; }

# ---- system ------------------------------------------------------------------------------------

missing_packages() { # the argument is a list of them
  local wanted
  mapfile -t wanted < <(grep -Ev '^[[:space:]]*(#|$)' "$1")
  # dpkg-query fails when it does not know one of the names: what it prints about the others still counts
  comm -23 <(printf '%s\n' "${wanted[@]}" | sort) \
    <({ dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true; } |
      sed -n 's/^installed //p' | sort)
}

install_packages() { # runs as root; the arguments are package names
  local policy=/usr/sbin/policy-rc.d clusters=/etc/postgresql-common/createcluster.d/vispa-green.conf log
  made=()
  trap 'rm -f "${made[@]}"' EXIT
  log=$(mktemp)
  # Without this file Debian would start slurmd, slurmctld, mariadb ... as services of this machine.
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    made+=("$policy")
  fi
  # ... and without this one it would make a cluster of PostgreSQL; the tests make their own.
  mkdir -p "${clusters%/*}"
  echo 'create_main_cluster = false' >"$clusters"
  made+=("$clusters")
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get -q update && apt-get -q -y -o DPkg::Lock::Timeout=300 install --no-install-recommends "$@"; } >"$log" 2>&1
  then
    tail -n 20 "$log" >&2
    die "apt-get failed; the whole output is in $log"
  fi
  rm -f "$log"
}

setup_system() { # the arguments are the word it was asked for with, and the list of packages that it means
  command -v dpkg-query >/dev/null ||
    die "this is no Debian; install what corresponds to deploy/$2, then run 'deploy/setup.sh python'"
  local missing
  mapfile -t missing < <(missing_packages "$here/$2")
  [ ${#missing[@]} -gt 0 ] || return 0
  say "missing Debian packages: ${missing[*]}"
  if [ "$(id -u)" -eq 0 ]; then
    say "installing them (about half a minute; no service is started)"
    install_packages "${missing[@]}"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    say "installing them with sudo (about half a minute; no service is started)"
    sudo -n "$here/setup.sh" "$1"
  else
    die "they need root; run this once as root, then repeat your command:
  $here/setup.sh $1"
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

# ---- torch -------------------------------------------------------------------------------------

torch_version=2.13.0
cpu_index=https://download.pytorch.org/whl/cpu

has_job_packages() {
  .venv/bin/python -c 'import sys; from importlib.util import find_spec
sys.exit(any(find_spec(name) is None for name in ("torch", "sklearn", "scipy", "pyhf")))'
}

# The Linux wheel of the usual index brings several GB of CUDA: ask pip what it would do before it does it.
torch_build() { # prints cpu, cuda or unknown
  .venv/bin/python -m pip install --quiet --dry-run --report - "torch==$torch_version" 2>/dev/null |
    .venv/bin/python -c 'import json, re, sys
names = [item["metadata"]["name"].lower() for item in json.load(sys.stdin)["install"]]
print("cuda" if any(re.match(r"nvidia-(?!ml-py)|cuda|triton", name) for name in names) else "cpu")' 2>/dev/null ||
    echo unknown
}

cpu_index_answers() {
  .venv/bin/python -c 'import sys, urllib.request
urllib.request.urlopen(sys.argv[1], timeout=5)' "$cpu_index/torch/" >/dev/null 2>&1
}

setup_torch() {
  setup_python
  cd "$checkout"
  has_job_packages && return 0
  local from=() build
  build=$(torch_build)
  if [ "$build" != cpu ]; then
    if ! cpu_index_answers; then
      say "torch is left out: what pip finds is a build for $build, and $cpu_index cannot be reached"
      say "tests of jobs that need it are skipped; with a GPU: .venv/bin/pip install -e '.[jobs-torch,jobs-hep]'"
      return 0
    fi
    from=(--index-url "$cpu_index")
  fi
  say "installing torch $torch_version (CPU) and what else the bundled jobs need"
  { .venv/bin/python -m pip install --quiet --root-user-action=ignore "${from[@]}" "torch==$torch_version" &&
    .venv/bin/python -m pip install --quiet --root-user-action=ignore -e '.[jobs-torch,jobs-hep]'; } ||
    die "pip failed (see above); everything but the bundled jobs works without it"
}

case "${1:-}" in
  system) setup_system system debian-packages.txt ;;
  full) setup_system full debian-packages-full.txt ;;
  python) setup_python ;;
  torch) setup_torch ;;
  *) die "usage: deploy/setup.sh system | full | python | torch" ;;
esac
