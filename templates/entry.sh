#!/bin/sh
# Starts the Caddy behind `devenv names` with the Caddyfile that is its argument, as Caddy's own user where there is one.
set -eu
mkdir -p /data/caddy /data/config /data/names/none/hosts
[ -e /data/names/now ] || ln -s none /data/names/now
printf '%s' "$1" >/tmp/Caddyfile
set -- caddy run --config /tmp/Caddyfile --adapter caddyfile
if [ "$(id -u)" != 0 ] || ! id caddy >/dev/null 2>&1; then exec "$@"; fi
chown -R caddy:caddy /data/caddy /data/config
# The capability lets it listen on ports below 1024 as its own user.
exec setpriv --reuid=caddy --regid=caddy --init-groups \
  --inh-caps=-all,+net_bind_service --ambient-caps=-all,+net_bind_service "$@"
