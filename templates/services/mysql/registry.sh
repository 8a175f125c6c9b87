#!/bin/sh
# Tells the official image what it cannot be told by variables: further databases, and a user who may use them all.
# Its entrypoint runs this with the server's command as arguments, and then once more, by the last line.
set -eu
# The image refuses to create root, which it has.
[ "${MYSQL_USER:-}" != root ] || unset MYSQL_USER MYSQL_PASSWORD MYSQL_PASSWORD_FILE
cat >/docker-entrypoint-initdb.d/000-devenv.sh <<'END'
devenv_sql() {
  MYSQL_PWD=$MYSQL_ROOT_PASSWORD mysql --protocol=socket --socket="${SOCKET:-/var/run/mysqld/mysqld.sock}" -u root
}
printf '%s\n' "${DEVENV_DATABASES:-}" | tr ',' '\n' | sed 's/`/``/g; /^$/d; s/.*/CREATE DATABASE IF NOT EXISTS `&`;/' |
  devenv_sql
if [ -n "${MYSQL_USER:-}" ]; then
  printf '%s\n' "GRANT ALL ON *.* TO '$MYSQL_USER'@'%' WITH GRANT OPTION;" | devenv_sql
fi
END
chmod 644 /docker-entrypoint-initdb.d/000-devenv.sh
exec docker-entrypoint.sh "$@"
