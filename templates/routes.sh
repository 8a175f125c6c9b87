#!/bin/sh
# Gives the Caddy behind `devenv names` its routes: lines `NAME PORT`, an empty line, the page for all other names.
# A rename makes all of it true at once; what a devenv that was killed left behind goes with the next.
set -eu
umask 022
cd /data/names
new=$(mktemp -d ./routes.XXXXXX)
chmod 755 "$new"
mkdir "$new/hosts"
while read -r name port && [ -n "$name" ]; do
  mkdir -p "$new/hosts/$name"
  : >"$new/hosts/$name/$port"
done
cat >"$new/unknown.html"
ln -s "$new" "$new/link"
mv -T "$new/link" now
for old in ./routes.* none; do
  [ "$old" = "$new" ] || rm -rf "$old"
done
