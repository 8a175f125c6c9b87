#!/bin/sh
# Starts MariaDB; on an empty data folder it first makes the databases, under the official image's contract:
# MARIADB_USER, MARIADB_PASSWORD, MARIADB_ROOT_PASSWORD (each also as …_FILE), MARIADB_DATABASE and
# /docker-entrypoint-initdb.d; besides, DEVENV_DATABASES, a list joined by commas.
set -eu
[ "${1:-}" = mariadbd ] || exec "$@"

for name in MARIADB_USER MARIADB_PASSWORD MARIADB_ROOT_PASSWORD; do
  eval "file=\${${name}_FILE:-}"
  [ -z "$file" ] || eval "export $name=\"\$(cat \"\$file\")\""
done
data=/var/lib/mysql
unfinished=$data/devenv-unfinished

if [ "$(id -u)" = 0 ]; then
  mkdir -p "$data" /run/mysqld
  find "$data" /run/mysqld ! -user mysql -exec chown -h mysql:mysql {} +
  exec setpriv --reuid=mysql --regid=mysql --init-groups "$0" "$@"
fi

run_sql() { MYSQL_PWD=$MARIADB_ROOT_PASSWORD mariadb --no-defaults --protocol=socket --user=root "$@"; }

# Unlike echo, it leaves backslashes alone.
say() { printf '%s\n' "$1"; }

# Values get into SQL text: names in backticks, everything else in quotes.
name() { printf '`%s`' "$(printf '%s' "$1" | sed 's/`/``/g')"; }
text() { printf "'%s'" "$(printf '%s' "$1" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g")"; }

database_names() { printf '%s\n' "${MARIADB_DATABASE:-},${DEVENV_DATABASES:-}" | tr ',' '\n' | grep . || :; }

first_statements() {
  # Besides root of the socket, the server comes with one for each name of this container, all without a password.
  say "DELETE FROM global_priv WHERE Host <> 'localhost'; DELETE FROM proxies_priv WHERE Host <> 'localhost';"
  root=$(text "$MARIADB_ROOT_PASSWORD")
  say "FLUSH PRIVILEGES; ALTER USER root@localhost IDENTIFIED BY $root;"
  say "CREATE USER root@'%' IDENTIFIED BY $root; GRANT ALL ON *.* TO root@'%' WITH GRANT OPTION;"
  database_names | while IFS= read -r one; do say "CREATE DATABASE IF NOT EXISTS $(name "$one");"; done
  if [ "${MARIADB_USER:-root}" != root ]; then
    user="$(text "$MARIADB_USER")@'%'"
    say "CREATE USER $user IDENTIFIED BY $(text "${MARIADB_PASSWORD:-}");"
    say "GRANT ALL ON *.* TO $user WITH GRANT OPTION;"
  fi
}

run_file() {
  echo "mariadb-entrypoint: running $1"
  case $1 in
    *.sql) run_sql ${MARIADB_DATABASE:+"$MARIADB_DATABASE"} <"$1" ;;
    *.sql.gz) gunzip -c "$1" | run_sql ${MARIADB_DATABASE:+"$MARIADB_DATABASE"} ;;
    *.sh) sh "$1" ;;
  esac
}

# A first start that was broken off leaves this mark, or files without system tables: begin again.
if [ ! -d "$data/mysql" ] || [ -e "$unfinished" ]; then
  : "${MARIADB_ROOT_PASSWORD:?MARIADB_ROOT_PASSWORD is not set}"
  find "$data" -mindepth 1 -delete
  : >"$unfinished"
  mariadb-install-db --datadir="$data" --auth-root-authentication-method=normal --skip-test-db >/dev/null
  # By the socket only, so that nobody takes this server for the real one.
  "$@" --skip-networking --innodb-flush-log-at-trx-commit=0 &
  server=$!
  until mariadb-admin --no-defaults --protocol=socket --user=root --silent ping >/dev/null 2>&1; do
    kill -0 "$server" || exit 1
    sleep 0.2
  done
  { mariadb-tzinfo-to-sql /usr/share/zoneinfo 2>/dev/null; first_statements; } |
    mariadb --no-defaults --protocol=socket --user=root mysql
  for file in /docker-entrypoint-initdb.d/*; do [ ! -e "$file" ] || run_file "$file"; done
  kill "$server"
  wait "$server"
  rm "$unfinished"
  sync
fi
exec "$@"
