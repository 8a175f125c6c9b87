#!/bin/sh
# Starts PostgreSQL; on an empty data folder it first makes the databases, under the official image's contract:
# POSTGRES_USER, POSTGRES_PASSWORD (each also as …_FILE), POSTGRES_DB, POSTGRES_INITDB_ARGS, PGDATA and
# /docker-entrypoint-initdb.d; besides, DEVENV_DATABASES and DEVENV_EXTENSIONS, lists joined by commas.
set -eu
umask 077
[ "${1:-}" = postgres ] || exec "$@"

for name in POSTGRES_USER POSTGRES_PASSWORD; do
  eval "file=\${${name}_FILE:-}"
  [ -z "$file" ] || eval "export $name=\"\$(cat \"\$file\")\""
done
user=${POSTGRES_USER:-postgres}
database=${POSTGRES_DB:-$user}

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$PGDATA" /run/postgresql
  chown -R postgres:postgres "$PGDATA" /run/postgresql
  exec setpriv --reuid=postgres --regid=postgres --init-groups "$0" "$@"
fi

run_sql() { psql -q -v ON_ERROR_STOP=1 --no-psqlrc -h /run/postgresql -U "$user" "$@"; }

each() { # each LIST FUNCTION [ARGUMENT…]: calls the function with every item of a comma list as last argument
  list=$1
  shift
  printf '%s\n' "$list" | tr ',' '\n' | while IFS= read -r item; do
    [ -z "$item" ] || "$@" "$item" </dev/null
  done
}

create_database() {
  printf '%s' "SELECT format('CREATE DATABASE %I', :'name') WHERE NOT EXISTS
    (SELECT FROM pg_database WHERE datname = :'name') \gexec" | run_sql -d postgres -v name="$1"
}

create_extension() {
  # Everybody calls it by its project's name.
  [ "$2" != pgvector ] || set -- "$1" vector
  printf '%s' 'CREATE EXTENSION IF NOT EXISTS :"name" CASCADE' | run_sql -d "$1" -v name="$2"
}

create_extensions() { each "${DEVENV_EXTENSIONS:-}" create_extension "$1"; }

run_file() {
  echo "postgres-entrypoint: running $1"
  case $1 in
    *.sql) run_sql -d "$database" -f "$1" ;;
    *.sql.gz) gunzip -c "$1" | run_sql -d "$database" ;;
    *.sh) sh "$1" ;;
  esac
}

if [ ! -s "$PGDATA/PG_VERSION" ]; then
  # A first start that was broken off leaves files without a PG_VERSION, or this mark: begin again.
  find "$PGDATA" -mindepth 1 -delete
fi
if [ ! -e "$PGDATA/PG_VERSION" ] || [ -e "$PGDATA/devenv-unfinished" ]; then
  find "$PGDATA" -mindepth 1 -delete
  password=$(mktemp)
  printf '%s' "${POSTGRES_PASSWORD:?POSTGRES_PASSWORD is not set}" >"$password"
  # shellcheck disable=SC2086 # several arguments by contract
  initdb -D "$PGDATA" -U "$user" --pwfile="$password" --auth-local=trust --auth-host=scram-sha-256 \
    --encoding=UTF8 --locale=C.UTF-8 ${POSTGRES_INITDB_ARGS:-} >/dev/null
  rm -f "$password"
  : >"$PGDATA/devenv-unfinished"
  echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
  pg_ctl -D "$PGDATA" -w -s -o "-c listen_addresses='' -c fsync=off" start
  each "$database,${DEVENV_DATABASES:-}" create_database
  each "$database,${DEVENV_DATABASES:-}" create_extensions
  for file in /docker-entrypoint-initdb.d/*; do [ ! -e "$file" ] || run_file "$file"; done
  pg_ctl -D "$PGDATA" -w -s -m fast stop
  rm "$PGDATA/devenv-unfinished"
  sync
fi
exec "$@" -c listen_addresses='*'
