#!/bin/sh
# Starts Varnish with the project's VCL; without one with DEVENV_BACKEND. Varnish refuses a VCL whose backend's name is
# not known yet, and keeps the address it once found; but an app starts after the services, and comes back elsewhere.
# So it begins with a VCL that has no backend, and the real one is loaded whenever the addresses change.
# It is the entrypoint of our image, and the official image's entrypoint starts it.
set -eu
[ "${1:-}" = varnishd ] || exec "$@"

folder=/tmp/varnish
tried=/tmp/varnish-tried
waiting=/tmp/varnish-waiting.vcl
vcl=/tmp/varnish-default.vcl
rm -rf "$folder" "$tried"
status=200
if [ -n "${DEVENV_BACKEND:-}" ] || [ -e /etc/varnish/project ]; then status=503; fi
cat >"$waiting" <<END
vcl 4.0;
backend default { .host = "127.0.0.1"; .port = "9"; }
sub vcl_recv { return (synth($status, "Varnish serves but has no backend")); }
END
if [ -n "${DEVENV_BACKEND:-}" ]; then
  host=${DEVENV_BACKEND%:*}
  port=${DEVENV_BACKEND##*:}
  [ "$host" != "$DEVENV_BACKEND" ] || port=80
  printf 'vcl 4.0;\nbackend default { .host = "%s"; .port = "%s"; }\n' "$host" "$port" >"$vcl"
else
  cp "$waiting" "$vcl"
fi
for file in /etc/varnish/project/*; do
  [ ! -e "$file" ] || vcl=$file
  break
done

addresses() {
  for host in $(cat "$vcl" /etc/varnish/project/* 2>/dev/null | sed -n 's/.*\.host *= *"\([^"]*\)".*/\1/p' | sort -u); do
    getent hosts "$host" || echo "$host"
  done
}

admin() { varnishadm -n "$folder" "$@"; }

follow() {
  used='' said='' count=0
  until admin ping >/dev/null 2>&1; do sleep 0.1; done
  while :; do
    now="addresses $(addresses)"
    if [ "$now" != "$used" ]; then
      count=$((count + 1))
      if message=$(admin vcl.load "devenv$count" "$vcl" 2>&1) && admin vcl.use "devenv$count" >/dev/null; then
        used=$now
      elif [ "$message" != "$said" ]; then
        said=$message
        printf '%s\n' "$message" >&2
      fi
    fi
    : >"$tried"
    sleep 1
  done
}

follow &
exec "$@" -f "$waiting"
