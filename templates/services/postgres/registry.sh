#!/bin/sh
# Tells the official image what it cannot be told by variables: further databases and extensions, on an empty volume.
# Its entrypoint runs this with the server's command as arguments, and then once more, by the last line.
set -eu
cat >/docker-entrypoint-initdb.d/000-devenv.sh <<'END'
names() { printf '%s\n' "$1" | tr ',' '\n' | grep . || :; }
sql() { psql -q -v ON_ERROR_STOP=1 --no-psqlrc -U "${POSTGRES_USER:-postgres}" "$@"; }
first=${POSTGRES_DB:-${POSTGRES_USER:-postgres}}
names "${DEVENV_DATABASES:-}" | while IFS= read -r database; do
  printf '%s' "SELECT format('CREATE DATABASE %I', :'name') WHERE NOT EXISTS
    (SELECT FROM pg_database WHERE datname = :'name') \gexec" | sql -d postgres -v name="$database"
done
names "$first,${DEVENV_DATABASES:-}" | while IFS= read -r database; do
  names "${DEVENV_EXTENSIONS:-}" | sed 's/^pgvector$/vector/' | while IFS= read -r extension; do
    printf '%s' 'CREATE EXTENSION IF NOT EXISTS :"name" CASCADE' | sql -d "$database" -v name="$extension"
  done
done
END
chmod 644 /docker-entrypoint-initdb.d/000-devenv.sh
exec docker-entrypoint.sh "$@"
