#!/bin/sh
# Tells the image to create databases under any name: its own variable knows one, and puts it into SQL unquoted.
# The image initialises before it runs a command that is not its own; files of `init` are handed to it only here, so
# that it does nothing the first time and all of it, databases first, when the last line starts it again.
set -eu
cat >/docker-entrypoint-initdb.d/000-devenv.sh <<'END'
printf '%s\n' "${DEVENV_DATABASES:-}" | tr ',' '\n' | sed 's/[\\`]/\\&/g; /^$/d' | while IFS= read -r database; do
  clickhouse-client --host 127.0.0.1 --user "$CLICKHOUSE_USER" --password "$CLICKHOUSE_PASSWORD" \
    --query "CREATE DATABASE IF NOT EXISTS \`$database\`" </dev/null
done
END
for file in /devenv-initdb.d/*; do
  [ ! -e "$file" ] || ln -sf "$file" /docker-entrypoint-initdb.d/
done
exec /entrypoint.sh "$@"
