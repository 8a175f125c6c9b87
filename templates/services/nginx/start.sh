#!/bin/sh
# Starts nginx with the project's servers; without any with one that passes everything on to DEVENV_BACKEND. The
# settings are its further arguments. It is the entrypoint of our image, and the official image's entrypoint starts it.
set -eu
[ "${1:-}" = nginx ] || exec "$@"
shift

user=www-data
! id nginx >/dev/null 2>&1 || user=nginx
# Names are asked for while it runs: an app may start later, and come back with another address.
resolvers=$(sed -n 's/^nameserver *\([0-9.]*\)$/\1/p; s/^nameserver *\(.*:.*\)$/[\1]/p' /etc/resolv.conf | tr '\n' ' ')

pass_on() {
  cat <<'END'
    location / {
      proxy_pass http://$backend;
      proxy_http_version 1.1;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_set_header X-Forwarded-Proto $scheme;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
    }
END
}

default_server() {
  echo 'server {'
  echo '    listen 80 default_server;'
  if [ -n "${DEVENV_BACKEND:-}" ]; then
    printf '    set $backend "%s";\n' "$DEVENV_BACKEND"
    pass_on
  else
    echo '    location / { default_type text/plain; return 200 "nginx serves; it has neither a backend nor a configuration\n"; }'
  fi
  echo '}'
}

config=/etc/nginx/devenv.conf
{
  echo "user $user;"
  echo 'worker_processes 1;'
  echo 'error_log stderr notice;'
  echo 'pid /run/nginx-devenv.pid;'
  echo 'include /etc/nginx/modules-enabled/*.conf;'
  echo 'events { worker_connections 1024; }'
  echo 'http {'
  echo '  include /etc/nginx/mime.types;'
  echo '  access_log /dev/stdout;'
  [ -z "$resolvers" ] || echo "  resolver $resolvers valid=5s;"
  echo '  map $http_upgrade $connection_upgrade { default upgrade; "" close; }'
  [ $# = 0 ] || printf '  %s\n' "$@"
  if [ -e /etc/nginx/project ]; then echo '  include /etc/nginx/project/*;'; else default_server; fi
  echo '}'
} >"$config"
exec nginx -c "$config" -g 'daemon off;'
