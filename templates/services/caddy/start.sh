#!/bin/sh
# Starts Caddy with the project's configuration; without one with a server that passes everything on to DEVENV_BACKEND.
# It is the entrypoint of our image, and the official image starts it.
set -eu
[ "${1:-}" = caddy ] || exec "$@"

config=/tmp/devenv-caddyfile
if [ -n "${DEVENV_BACKEND:-}" ]; then
  printf ':80 {\n  reverse_proxy %s\n}\n' "$DEVENV_BACKEND" >"$config"
else
  printf ':80 {\n  respond "Caddy serves; it has neither a backend nor a configuration"\n}\n' >"$config"
fi
for file in /etc/caddy/project/*; do
  [ ! -e "$file" ] || config=$file
  break
done
set -- caddy run --config "$config" --adapter caddyfile
# The official image has no user for it.
if [ "$(id -u)" != 0 ] || ! id caddy >/dev/null 2>&1; then exec "$@"; fi
mkdir -p /data
find /data ! -user caddy -exec chown -h caddy:caddy {} +
# The capability lets it listen on ports below 1024 as its own user.
exec setpriv --reuid=caddy --regid=caddy --init-groups \
  --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service "$@"
