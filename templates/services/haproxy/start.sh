#!/bin/sh
# Starts HAProxy with the project's configuration; without one with a frontend that passes everything on to
# DEVENV_BACKENDS, a list joined by commas. It is the entrypoint of our image, and the official image's starts it.
set -eu
[ "${1:-}" = haproxy ] || exec "$@"

backends() {
  number=0
  printf '%s\n' "${DEVENV_BACKENDS:-}" | tr ',' '\n' | while IFS= read -r address; do
    [ -n "$address" ] || continue
    number=$((number + 1))
    # A name that is not known yet does no harm: it is asked for again.
    echo "  server s$number $address check inter 1s resolvers engine init-addr libc,none"
  done
}

config=/tmp/devenv-haproxy.cfg
cat >"$config" <<'END'
global
  log stdout format raw local0
resolvers engine
  parse-resolv-conf
  hold valid 5s
defaults
  mode http
  log global
  option httplog
  option forwardfor
  timeout connect 5s
  timeout client 1m
  timeout server 1m
  timeout tunnel 1h
frontend http
  bind :8080
  default_backend apps
frontend stats
  bind :8404
  monitor-uri /health
  http-request use-service prometheus-exporter if { path /metrics }
  stats enable
  stats uri /
backend apps
END
servers=$(backends)
if [ -z "$servers" ]; then
  servers='  http-request return status 200 content-type text/plain string "HAProxy serves; it has no backend"'
fi
printf '%s\n' "$servers" >>"$config"
[ ! -e /etc/haproxy/project ] || config=/etc/haproxy/project
# In the foreground, as a master that hands its signals on.
exec haproxy -W -db -f "$config"
