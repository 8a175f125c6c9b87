# Becomes HAProxy with the configuration that is its only argument.
printf '%s' "$1" >/tmp/devenv-balancer.cfg && exec haproxy -db -f /tmp/devenv-balancer.cfg
