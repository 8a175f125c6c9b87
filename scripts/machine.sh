# What the project's own commands need of a machine; each function uses what is there and brings only what is missing.
# Sourced by them from the repository's root, under bash with `set -euo pipefail`.
# shellcheck shell=bash

say() { printf '\n==> %s\n' "$*" >&2; }

fail() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

as_root() {
  if [[ $(id -u) == 0 ]]; then
    "$@"
  else
    command -v sudo >/dev/null || fail "this needs root, and sudo is not installed: $*"
    sudo "$@"
  fi
}

# packages NAME…: install Debian packages.
packages() {
  local output
  command -v apt-get >/dev/null || fail "please install: $*"
  say "install $*"
  # One broken third-party source fails an update, and need not keep the packages from being installed.
  output=$({
    as_root apt-get -q update || true
    as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=120 \
      install -y --no-install-recommends "$@"
  } 2>&1) || { tail -n 20 <<<"$output" >&2; fail "apt-get cannot install $*"; }
}

# is_python PROGRAM: whether it is new enough.
is_python() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# python: print the first Python of this machine that is new enough.
python() {
  local name
  for name in python3 /usr/bin/python3 python3.13 python3.12 python3.11; do
    if is_python "$name"; then
      echo "$name"
      return
    fi
  done
  return 1
}

# environment: make .venv with every tool at the version of requirements-dev.txt, and the project, editable, in it.
environment() {
  local stamp=.venv/installed wanted chosen
  wanted=$(cat requirements-dev.txt pyproject.toml | cksum)
  if [[ -f $stamp && $(<"$stamp") == "$PWD $wanted" ]] && is_python .venv/bin/python; then
    return
  fi
  if ! is_python .venv/bin/python || ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
    chosen=$(python) || { packages python3-venv; chosen=$(python) || fail "devenv needs Python 3.11 or newer"; }
    "$chosen" -c 'import ensurepip' 2>/dev/null || packages "$("$chosen" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"
    say "make .venv with $("$chosen" --version)"
    "$chosen" -m venv --clear .venv
  fi
  say "install devenv and its tools into .venv"
  .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes \
    -r requirements-dev.txt
  .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
  echo "$PWD $wanted" >"$stamp"
}

# engine COMMAND…: bring a container engine up. When that made this user a member of the group `docker`, which only
# takes effect with the next login, go on with COMMAND as a member.
engine() {
  say "look for a container engine"
  if .venv/bin/devenv doctor --fix; then
    return
  fi
  if [[ -z ${DEVENV_MEMBER:-} ]] && ! id -nG | grep -qw docker && id -nG "$(id -un)" | grep -qw docker; then
    say "go on as a member of the group docker"
    export DEVENV_MEMBER=1
    if command -v sg >/dev/null; then
      exec sg docker -c "$(printf '%q ' "$@")"
    fi
    exec sudo -E -u "$(id -un)" -g docker -- "$@"
  fi
  return 1
}
