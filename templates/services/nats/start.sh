#!/bin/sh
# Starts the NATS server with JetStream, the settings that are its further arguments, and the project's files.
# It is the entrypoint of our image, and the official image's entrypoint starts it.
set -eu
[ "${1:-}" = nats-server ] || exec "$@"
shift

config=/tmp/devenv-nats.conf
{
  echo 'port: 4222'
  echo 'http_port: 8222'
  echo 'jetstream { store_dir: "/data" }'
  [ $# = 0 ] || printf '%s\n' "$@"
  # Included paths are relative to this file's folder.
  for file in /etc/nats/project/*; do [ ! -e "$file" ] || echo "include \"..$file\""; done
} >"$config"
exec nats-server --config "$config"
