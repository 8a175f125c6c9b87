#!/bin/sh
# Starts RabbitMQ with the plugins of DEVENV_PLUGINS, a list joined by commas, and the settings that are its further
# arguments. RABBITMQ_DEFAULT_USER and RABBITMQ_DEFAULT_PASS, each also as …_FILE, are read by the server itself.
# It is the entrypoint of our image, and the official image's entrypoint starts it.
set -eu
[ "${1:-}" = rabbitmq-server ] || exec "$@"
shift

for name in RABBITMQ_DEFAULT_USER RABBITMQ_DEFAULT_PASS; do
  eval "file=\${${name}_FILE:-}"
  [ -z "$file" ] || eval "export $name=\"\$(cat \"\$file\")\""
  unset "${name}_FILE"
done
mkdir -p /etc/rabbitmq/conf.d
# Without the first line, a user called guest could not come from another container.
printf '%s\n' 'loopback_users = none' "$@" >/etc/rabbitmq/conf.d/90-devenv.conf
echo "[${DEVENV_PLUGINS:-}]." >/etc/rabbitmq/enabled_plugins
# Erlang keeps a table of as many files as may be open, which engines allow without limit.
ulimit -n 65536 2>/dev/null || :

if command -v docker-entrypoint.sh >/dev/null; then exec docker-entrypoint.sh rabbitmq-server; fi
mkdir -p /var/lib/rabbitmq
find /var/lib/rabbitmq /etc/rabbitmq ! -user rabbitmq -exec chown -h rabbitmq:rabbitmq {} +
# Debian's own command of that name hides the log in a file.
export HOME=/var/lib/rabbitmq PATH="/usr/lib/rabbitmq/bin:$PATH"
exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups rabbitmq-server
