#!/bin/sh
# Tells the official image what it cannot be told by variables: further databases, and a user who may do everything.
# Its entrypoint runs this with the server's command as arguments, and then once more, by the last line.
set -eu
for name in MARIADB_USER MARIADB_PASSWORD MARIADB_ROOT_PASSWORD; do
  # The image takes a variable or its …_FILE, never both.
  eval "[ -z \"\${${name}_FILE:-}\" ] || unset $name"
done
# The image makes root by itself, and refuses to be asked for it.
[ "${MARIADB_USER:-}" != root ] || unset MARIADB_USER MARIADB_PASSWORD MARIADB_PASSWORD_FILE
cat >/docker-entrypoint-initdb.d/000-devenv.sh <<'END'
{
  printf '%s\n' "${DEVENV_DATABASES:-}" | tr ',' '\n' | sed '/./!d; s/`/``/g; s/.*/CREATE DATABASE IF NOT EXISTS `&`;/'
  if [ -n "${MARIADB_USER:-}" ]; then
    user=$(printf '%s' "$MARIADB_USER" | sed "s/\\\\/\\\\\\\\/g; s/'/''/g")
    printf '%s\n' "GRANT ALL ON *.* TO '$user'@'%' WITH GRANT OPTION;"
  fi
} | docker_process_sql --database=mysql
END
chmod 644 /docker-entrypoint-initdb.d/000-devenv.sh
exec docker-entrypoint.sh "$@"
