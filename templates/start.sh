# Starts an app: runs the setup commands once for each state of their inputs, then becomes the app's own command.
# Arguments: HASH KEY SETUP… -- COMMAND…; the mark in the home volume says for which HASH the setup of KEY has run.
hash=$1 key=$2
shift 2
mkdir -p "$HOME/.devenv"
mark=$HOME/.devenv/setup-$key
exec 9>"$HOME/.devenv/lock"
flock 9
last=$(cat "$mark" 2>/dev/null)
while [ "$1" != -- ]; do
  if [ "$last" != "$hash" ]; then
    printf 'devenv: setup: %s\n' "$1"
    rm -f "$mark"
    sh -ec "$1" 9>&- </dev/null
    code=$?
    if [ $code != 0 ]; then
      printf 'devenv: setup failed: exit code %s: %s\n' "$code" "$1"
      flock -u 9
      exec 9>&-
      exec sleep infinity
    fi
  fi
  shift
done
shift
[ "$last" = "$hash" ] || printf %s "$hash" >"$mark"
flock -u 9
exec 9>&-
printf 'devenv: setup done\n'
exec "$@"
