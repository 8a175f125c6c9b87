# Steers HAProxy through its runtime API, inside the balancer's container.
# Arguments: join | drain | release | settle, ADDRESS, SECONDS, BACKEND…; or: tell, clear.
# A replica is known by its address: which of a backend's servers has it is HAProxy's choice.

ask() {
  exec 3<>"/dev/tcp/127.0.0.1/$DEVENV_CONTROL" || exit 1
  printf '%s\n' "$1" >&3
  cat <&3
  exec 3>&-
}

# servers BACKEND: a line NAME ADDRESS OPERATION ADMIN for each.
# OPERATION 2 runs, 1 does and begins with few requests; ADMIN 1 is out by us, 32 has no address.
servers() { ask "show servers state $1" | while read -r _ _ _ name at does admin _; do
  case $admin in *[!0-9]* | '') ;; *) echo "$name $at $does $admin" ;; esac
done; }

left() { [ "$SECONDS" -lt "$patience" ]; }

# freed BACKEND NAME AT ADMIN: take back what was taken out, where nobody is any more, or this replica has come.
freed() {
  [ $(($4 & 1)) = 1 ] || return 0
  if [ "$3" = - ] || { [ "$what" = join ] && [ "$3" = "$address" ]; }; then ask "set server $1/$2 state ready"; fi
}

# A replica has joined a backend when a server of its address runs; others that were left out are taken back on the way.
joined() { servers "$1" | {
  found=1
  while read -r name at does admin; do
    freed "$1" "$name" "$at" "$admin" >/dev/null
    case "$at $does $admin" in "$address 1 0" | "$address 2 0") found=0 ;; esac
  done
  return $found
}; }

# Nobody is there any more when no server has the address.
gone() { servers "$1" | {
  found=0
  while read -r name at _ admin; do
    freed "$1" "$name" "$at" "$admin" >/dev/null
    [ "$at" != "$address" ] || found=1
  done
  return $found
}; }

# No server begins any more: each gets as many requests as the others.
settled() { ! servers "$1" | grep -q ' 1 0$'; }

leave() { servers "$1" | while read -r name at _; do
  [ "$at" != "$address" ] || ask "set server $1/$name state maint" >/dev/null
done; }

# idle BACKEND: whether the replica answers no request any more.
idle() { ask "show stat $1 4 -1" | {
  IFS=, read -r -a head
  for column in "${!head[@]}"; do [ "${head[column]}" != addr ] || at=$column; done
  while IFS=, read -r -a row; do
    [ "${row[at]%:*}" != "$address" ] || [ "${row[4]}" = 0 ] || return 1
  done
  return 0
}; }

# every TEST BACKEND…: wait until it holds for all of them.
every() {
  test=$1
  shift
  for backend; do
    until "$test" "$backend"; do
      left || return 1
      sleep 0.05
    done
  done
}

what=$1 address=${2:-} patience=${3:-0}
case $what in
  tell) ask 'show stat -1 4 -1' ;;
  clear) ask 'clear counters all' ;;
  *)
    shift 3
    SECONDS=0
    case $what in
      join)
        # A further port may be one that nothing listens on until it is needed.
        every joined "$1" || exit
        shift
        for backend; do joined "$backend" || :; done
        ;;
      drain)
        for backend; do leave "$backend"; done
        every idle "$@"
        ;;
      release) every gone "$@" ;;
      settle) every settled "$@" ;;
    esac
    ;;
esac
