#!/bin/sh
# Installs the plugins asked for; they live in the container, so a new container installs them again.
# The image's entrypoint runs this with the server's command as arguments, and then once more, by the last line.
set -eu
cd /usr/share/elasticsearch
printf '%s\n' "${DEVENV_PLUGINS:-}" | tr ',' '\n' | sed '/^$/d' | while IFS= read -r plugin; do
  # One that is there, from before a restart, is refused: that is no reason not to start.
  bin/elasticsearch-plugin list | grep -qxF "$plugin" ||
    bin/elasticsearch-plugin install --batch "$plugin" </dev/null ||
    echo "devenv: plugin $plugin was not installed" >&2
done
exec /usr/local/bin/docker-entrypoint.sh "$@"
