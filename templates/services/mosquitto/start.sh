#!/bin/sh
# Starts Mosquitto with the project's configuration; without one with a default that lets everyone in, and the settings
# that are its further arguments. It is the entrypoint of our image, and the official image's entrypoint starts it.
set -eu
[ "${1:-}" = mosquitto ] || exec "$@"
shift

config=/tmp/devenv-mosquitto.conf
{
  echo 'listener 1883'
  echo 'listener 9001'
  echo 'protocol websockets'
  echo 'allow_anonymous true'
  echo 'persistence true'
  echo 'persistence_location /mosquitto/data/'
  [ $# = 0 ] || printf '%s\n' "$@"
} >"$config"
for file in /etc/mosquitto/project/*; do
  [ ! -e "$file" ] || config=$file
  break
done
# It writes there as the user it changes to by itself.
mkdir -p /mosquitto/data
find /mosquitto/data ! -user mosquitto -exec chown -h mosquitto:mosquitto {} +
exec mosquitto -c "$config"
