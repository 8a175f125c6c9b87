# Does what agent.pl does where there is no perl: with a POSIX shell that knows `read -d`, and busybox or coreutils.
#
# Times are whole seconds here, so the signature of what is young ends in a hash of its content. There is no exchange of
# two names either: what is renamed over the target in the moment between look and rename would be lost.
# Events come from `inotifyd` where there is one; it does not tell of folders with a line break in their path.

root=$1
umask 0
nul='\0'
tab=$(printf '\t')
counter=0
watcher=0
watching=0
temporary=
scratch=

bye() {
    printf 'bye %s\n%s' "${#1}" "$1"
    exit 0
}

clean() {
    [ -z "$temporary" ] || rm -f -- "$temporary"
    [ "$watcher" = 0 ] || stop_watcher "$watcher"
    [ -z "$scratch" ] || rm -rf -- "$scratch"
}

# --- speaking: one writer at a time ---

send() { # HEADER, payload in FILE
    until mkdir "$scratch/lock" 2>/dev/null; do sleep 0.01; done
    printf '%s %s\n' "$1" "$(stat -c %s -- "$2")"
    cat -- "$2"
    rmdir "$scratch/lock"
}

answer() { send "$1 $id" "$out"; }

failed() { # the system's words stand in $scratch/words
    sed -e 's/.*: //' -- "$scratch/words" | head -n 1 >"$out"
    answer failed
}

refused() { # PATH NAME
    examine "$2"
    record "$1" >"$out"
    answer refused
}

# --- what is there ---

# Make a folder the current one; what the system says it then is tells whether a link led there (P5).
enter() {
    cd -P -- "$root${1:+/$1}" 2>"$scratch/words" || return 1
    [ "$PWD" = "$root${1:+/$1}" ] && return 0
    echo 'a link or a dot is in its path: Invalid argument' >"$scratch/words"
    return 1
}

# Enter a path's folder and set $name.
place() {
    name=${1##*/}
    case $name in '' | . | ..)
        echo 'Invalid argument' >"$scratch/words"
        return 1
        ;;
    esac
    case $1 in
    */*) enter "${1%/*}" ;;
    *) enter '' ;;
    esac
}

nothing() { kind=- mode=0 size=0 mtime=0 inode=0 signature=- target=; }

unseen() { kind=o mode=0 size=0 mtime=0 inode=0 signature='?' target=; }

# Look at a name of the current folder.
examine() {
    fields=$(stat -c '%f %a %s %Y %i %Z' -- "$1" 2>/dev/null)
    if [ -n "$fields" ]; then
        take "$1" $fields
    elif [ -x . ]; then
        nothing
    else
        unseen
    fi
}

take() { # NAME, then what `stat` said
    type=$((0x$2 & 0xf000)) mode=$3 size=$4 mtime=$5 inode=$6 changed=$7 target=
    case $mode in ????*) mode=${mode#"${mode%???}"} ;; esac
    signature=$inode.$size.$mtime.$changed.$mode
    case $type in
    32768) kind=f ;;
    16384) kind=d signature=$inode.$mode ;;
    40960)
        kind=l
        # The dot keeps a line break at the end.
        target=$(readlink -n -- "$1" && echo .) && target=${target%.} || nothing
        ;;
    *) kind=o ;;
    esac
    case $kind in [fl]) young "$1" ;; esac
    identity=$inode.$size.$mtime
    [ "$kind" = f ] || size=0
}

break='
'

young() {
    now=$(date +%s)
    [ $((now - mtime)) -lt 3 ] || [ $((now - changed)) -lt 3 ] || return 0
    signature=$signature~$(hash "$1")
}

hash() {
    case $kind in
    l) hashed=$(printf %s "$target" | md5sum) ;;
    f) hashed=$({ md5sum <"$1"; } 2>/dev/null) || hashed=$now ;;
    esac
    echo "${hashed%% *}"
}

record() { # PATH
    printf "%s %s %s %s %s %s %s$nul" "$kind" "$mode" "$size" "$((mtime * 1000000000))" "$inode" "$signature" "$1"
    [ "$kind" != l ] || printf "%s$nul" "$target"
}

look() { # PATH
    if [ -z "$1" ]; then
        enter '' && examine . || unseen
    elif place "$1"; then
        examine "$name"
    elif leads_nowhere "$1"; then
        nothing
    else
        unseen
    fi
}

# Whether a part of the path before the last is no folder.
leads_nowhere() {
    walked=$root
    rest=$1
    while [ "$rest" != "${rest#*/}" ]; do
        [ -x "$walked" ] || return 1
        walked=$walked/${rest%%/*}
        rest=${rest#*/}
        [ -d "$walked" ] && [ ! -L "$walked" ] || return 0
    done
    return 1
}

# Whether a name of the current folder is as the host expects it; what was young then may have been changed unseen.
matches() {
    examine "$1"
    [ "$signature" = "$2" ] && return 0
    [ "${2%~*}" = "$signature" ] && [ "$signature~$(hash "$1")" = "$2" ]
}

# --- reading ---

listed() {
    : >"$out"
    [ "$watching" = 0 ] || watch_more
    while IFS= read -r -d '' folder; do
        if enter "$folder"; then
            entries "$folder" >>"$out"
        else
            look "$folder"
            record "$folder" >>"$out"
        fi
        [ "$(stat -c %s -- "$out")" -lt 262144 ] || { answer part && : >"$out"; }
    done <"$in"
    answer listed
}

entries() {
    if ! [ -r . ] || ! [ -x . ]; then
        examine .
        record "$1"
        return
    fi
    names | xargs -0 -r stat -c '%f %a %s %Y %i %Z /%n/' -- 2>/dev/null | while read -r a b c d e f name; do
        name=${name#/} name=${name%/}
        take "$name" $a $b $c $d $e $f
        [ "$kind" = - ] || record "${1:+$1/}$name"
    done
    # One by one, as its lines cannot be told apart.
    for name in *"$break"* .[!.]*"$break"* ; do
        [ -e "$name" ] || [ -L "$name" ] || continue
        examine "$name"
        [ "$kind" = - ] || record "${1:+$1/}$name"
    done
}

names() {
    for name in * .[!.]* ..?*; do
        [ -e "$name" ] || [ -L "$name" ] || continue
        case $name in
        .devenv-sync.*) sweep "$name" ;;
        *"$break"*) ;;
        .devenv) [ "$PWD" = "$root" ] || printf "%s$nul" "$name" ;;
        *) printf "%s$nul" "$name" ;;
        esac
    done
}

# Remove what an agent that was killed left half written: until it is whole it has no permissions.
sweep() {
    [ -f "$1" ] && [ "$(stat -c %a -- "$1")" = 0 ] && rm -f -- "$1"
}

get() {
    IFS= read -r -d '' path <"$in"
    look "$path"
    if [ "$kind" = f ] && ! { exec 5<"$name"; } 2>"$scratch/words"; then
        failed
        return
    fi
    number=$inode left=$size was=$kind
    record "$path" >"$out"
    if [ "$was" = f ] && [ "$(stat -L -c %i /proc/self/fd/5)" != "$number" ]; then
        echo 'it was replaced meanwhile' >"$scratch/words"
        failed
        return
    fi
    answer file
    [ "$was" != f ] || pieces
    look "$path"
    record "$path" >"$out"
    answer read
}

pieces() {
    while [ "$left" -gt 0 ]; do
        piece=262144
        [ "$left" -ge "$piece" ] || piece=$left
        dd bs="$piece" count=1 iflag=fullblock <&5 >"$out" 2>/dev/null
        [ -s "$out" ] || break
        answer data
        left=$((left - piece))
    done
    exec 5<&-
}

# --- writing ---

fresh() {
    counter=$((counter + 1))
    temporary=.devenv-sync.$$-$started-$counter
}

put() {
    exec 4<"$in"
    for field in path expected bits time total; do
        IFS= read -r -d '' "$field" <&4
    done
    head=$path$expected$bits$time$total
    left=$((total - (length - $(printf %s "$head" | wc -c) - 5)))
    problem=
    if place "$path"; then
        fresh
        target_name=$name
        (umask 777 && set -C && : >"$temporary") 2>"$scratch/words" && cat <&4 2>"$scratch/words" >>"$temporary" || problem=1
    else
        problem=1
    fi
    exec 4<&-
    further || return 0
    if [ -z "$problem" ]; then
        chmod "$bits" -- "$temporary" 2>"$scratch/words" && touch -d "@$(seconds "$time")" -- "$temporary" 2>"$scratch/words" || problem=1
    fi
    if [ -n "$problem" ]; then
        [ -z "$temporary" ] || rm -f -- "$temporary"
        temporary=
        failed
        return
    fi
    install "$target_name"
}

seconds() { # of nanoseconds, rounded down
    echo $((($1 - (($1 % 1000000000) + 1000000000) % 1000000000) / 1000000000))
}

# Take the pieces that follow; false when the file is given up.
further() {
    while [ "$left" -gt 0 ]; do
        read -r verb other length || exit 0
        if [ "$verb" = drop ]; then
            [ -z "$temporary" ] || rm -f -- "$temporary"
            temporary=
            : >"$out"
            answer dropped
            return 1
        fi
        take_payload
        left=$((left - length))
        [ -n "$problem" ] || cat -- "$in" 2>"$scratch/words" >>"$temporary" || problem=1
    done
}

# Put the temporary file in place of what is expected at NAME, and answer.
install() {
    examine "$temporary"
    new=$identity
    if [ -z "$expected" ]; then
        appear "$1"
    else
        replace "$1" "$expected"
    fi
    result=$?
    rm -f -- "$temporary"
    temporary=
    case $result in
    0) settled "$1" ;;
    1) refused "$path" "$1" ;;
    *) failed ;;
    esac
}

appear() {
    ln -T -- "$temporary" "$1" 2>"$scratch/words" && return 0
    [ ! -e "$1" ] && [ ! -L "$1" ] || return 1
    mv -n -T -- "$temporary" "$1" 2>"$scratch/words" || return 2
    [ ! -e "$temporary" ] || return 1
}

# A second name of what is replaced shows whether somebody wrote into it to the last moment; then it comes back.
replace() {
    matches "$1" "$2" || return 1
    case $kind in [fl]) ;; *) return 1 ;; esac
    old=$identity
    aside=$temporary-old
    ln -T -- "$1" "$aside" 2>/dev/null || aside=
    mv -f -T -- "$temporary" "$1" 2>"$scratch/words" || { rm -f -- "$aside"; return 2; }
    [ -n "$aside" ] || return 0
    examine "$aside"
    if [ "$identity" = "$old" ]; then
        rm -f -- "$aside"
        return 0
    fi
    examine "$1"
    if [ "$identity" = "$new" ]; then
        mv -f -T -- "$aside" "$1"
    else
        keep "$aside" "$1"
    fi
    return 1
}

# Our own file's state; of what somebody made of it meanwhile, one that the host will find to be another.
settled() {
    examine "$1"
    [ "$identity" = "$new" ] || signature=$signature~changed
    record "$path" >"$out"
    answer 'done'
}

keep() {
    number=1
    while [ -e "$2.kept-$number" ] || [ -L "$2.kept-$number" ]; do number=$((number + 1)); done
    mv -n -T -- "$1" "$2.kept-$number"
}

make_folder() {
    exec 4<"$in"
    for field in path bits; do IFS= read -r -d '' "$field" <&4; done
    if ! place "$path"; then
        failed
    elif mkdir -m "$bits" -- "$name" 2>"$scratch/words"; then
        done_with "$path" "$name"
    elif [ -e "$name" ] || [ -L "$name" ]; then
        refused "$path" "$name"
    else
        failed
    fi
}

done_with() { # PATH NAME
    examine "$2"
    record "$1" >"$out"
    answer 'done'
}

make_link() {
    exec 4<"$in"
    for field in path expected leads; do IFS= read -r -d '' "$field" <&4; done
    place "$path" || { failed; return; }
    fresh
    ln -s -T -- "$leads" "$temporary" 2>"$scratch/words" || { failed; return; }
    install "$name"
}

remove() {
    exec 4<"$in"
    for field in path expected; do IFS= read -r -d '' "$field" <&4; done
    look "$path"
    if [ "$kind" = - ]; then
        record "$path" >"$out"
        answer 'done'
        return
    fi
    place "$path" || { failed; return; }
    matches "$name" "$expected" && [ "$kind" != o ] || { refused "$path" "$name"; return; }
    if [ "$kind" = d ]; then remove_folder; else remove_file; fi
}

remove_folder() {
    if ! rmdir -- "$name" 2>"$scratch/words"; then
        (enter "$path" && names >/dev/null)
        rmdir -- "$name" 2>"$scratch/words" || { refused "$path" "$name"; return; }
    fi
    done_with "$path" "$name"
}

remove_file() {
    old=$identity
    fresh
    aside=$temporary
    temporary=
    mv -n -T -- "$name" "$aside" 2>"$scratch/words" || { failed; return; }
    examine "$aside"
    if [ "$identity" = "$old" ]; then
        rm -f -- "$aside" 2>"$scratch/words" || { failed; return; }
        done_with "$path" "$name"
        return
    fi
    mv -n -T -- "$aside" "$name"
    [ ! -e "$aside" ] || keep "$aside" "$name"
    refused "$path" "$name"
}

set_mode() {
    exec 4<"$in"
    for field in path expected bits; do IFS= read -r -d '' "$field" <&4; done
    place "$path" || { failed; return; }
    matches "$name" "$expected" || { refused "$path" "$name"; return; }
    case $kind in [fd]) ;; *) refused "$path" "$name"; return ;; esac
    chmod "$bits" -- "$name" 2>"$scratch/words" || { failed; return; }
    done_with "$path" "$name"
}

move() {
    exec 4<"$in"
    for field in path expected to; do IFS= read -r -d '' "$field" <&4; done
    place "$path" || { failed; return; }
    matches "$name" "$expected" || { refused "$path" "$name"; return; }
    from=$PWD/$name number=$inode
    place "$to" || { failed; return; }
    if [ -e "$name" ] || [ -L "$name" ]; then
        refused "$to" "$name"
        return
    fi
    mv -n -T -- "$from" "$name" 2>"$scratch/words" || { failed; return; }
    examine "$name"
    if [ "$inode" != "$number" ]; then
        mv -n -T -- "$name" "$from"
        look "$path"
        record "$path" >"$out"
        answer refused
        return
    fi
    record "$to" >"$out"
    answer 'done'
}

mark() {
    enter '' && { mkdir .devenv 2>/dev/null || [ -d .devenv ]; } && enter .devenv || { failed; return; }
    fresh
    cat -- "$in" >"$temporary" 2>"$scratch/words" && chmod 644 -- "$temporary" &&
        mv -f -T -- "$temporary" volume 2>"$scratch/words" || { failed; return; }
    temporary=
    : >"$out"
    answer 'done'
}

# --- watching ---

# Watch the folders of a `list` that are not watched yet: with a new process for all, as it learns of none while it works.
watch_more() {
    added=
    while IFS= read -r -d '' folder; do
        case $folder in *"$break"*) continue ;; esac
        grep -F -x -q -e "/$folder" "$scratch/folders" && continue
        printf '/%s\n' "$folder" >>"$scratch/folders"
        added=1
    done <"$in"
    [ -z "$added" ] || watch
}

watch() {
    set --
    : >"$scratch/still"
    while IFS= read -r folder; do
        [ "$folder" != / ] && [ -d "$root$folder" ] && enter "${folder#/}" || continue
        set -- "$@" "$root$folder:wemynd"
        printf '%s\n' "$folder" >>"$scratch/still"
    done <"$scratch/folders"
    echo / >>"$scratch/still"
    mv -f -- "$scratch/still" "$scratch/folders"
    before=$watcher
    watcher=$((watcher + 1))
    # The root comes last: when a change there is told, all others are watched.
    start_watcher "$@" "$root:wemyndo" &
    if ! await 100; then
        stop_watcher "$watcher"
        watching=0
        [ "$before" = 0 ] || hello
    fi
    [ "$before" = 0 ] || stop_watcher "$before"
}

start_watcher() {
    cd /
    sh -c 'echo $$ >"$0"; exec inotifyd - "$@"' "$scratch/process.$watcher" "$@" </dev/null 2>/dev/null | report
    # It ended by itself: everything must be listed, and so watched, again.
    [ -e "$scratch/process.$watcher" ] || return 0
    echo >"$scratch/folders"
    : >"$scratch/events.$watcher"
    send overflow "$scratch/events.$watcher"
}

stop_watcher() {
    process=$(cat "$scratch/process.$1" 2>/dev/null)
    rm -f -- "$scratch/process.$1"
    [ -z "$process" ] || kill "$process" 2>/dev/null
}

# Wait until the newest watcher has told all that happened before; false when it does not.
await() { # times
    tries=0
    rm -f -- "$scratch/heard.$watcher"
    while [ ! -e "$scratch/heard.$watcher" ]; do
        { : >"$root/.devenv-sync.heard"; } 2>/dev/null || return 1
        [ "$tries" -lt "$1" ] || break
        tries=$((tries + 1))
        sleep 0.02
    done
    rm -f -- "$root/.devenv-sync.heard"
    [ -e "$scratch/heard.$watcher" ]
}

# Tell of what the lines on stdin say has changed: as many at once as came while the last were told.
report() {
    batch=$scratch/events.$watcher
    while dd bs=65536 count=1 2>/dev/null >"$batch" && [ -s "$batch" ]; do
        [ -z "$(tail -c 1 "$batch")" ] || { IFS= read -r rest && printf '%s\n' "$rest" >>"$batch"; }
        : >"$batch.out"
        heard=
        grep -q "^[a-z]*o" "$batch" && send overflow "$batch.out"
        sort -u -t "$tab" -k 2 "$batch" >"$batch.sorted"
        while IFS=$tab read -r event folder name; do told "${folder#"$root"}" "$name"; done <"$batch.sorted"
        [ ! -s "$batch.out" ] || send changed "$batch.out"
        [ -z "$heard" ] || : >"$scratch/heard.$watcher"
    done
}

told() { # FOLDER NAME
    case $1/$2 in
    */.devenv-sync.heard) heard=1 ;;
    */.devenv-sync.* | /.devenv | */) ;;
    *)
        path=${1#/}
        path=${path:+$path/}$2
        look "$path"
        record "$path" >>"$batch.out"
        ;;
    esac
}

pong() {
    [ -d "$root" ] || bye 'the folder is gone'
    [ "$watching" = 0 ] || await 100
    : >"$out"
    answer pong
}

# --- hearing ---

hello() {
    empty=1 writable=0
    enter '' || bye 'the folder cannot be read'
    for name in * .[!.]* ..?*; do
        [ -e "$name" ] || [ -L "$name" ] || continue
        case $name in .devenv | lost+found | .devenv-sync.*) ;; *) empty=0 ;; esac
    done
    { : >.devenv-sync.probe; } 2>/dev/null && rm -f .devenv-sync.probe && writable=1
    printf 'agent=sh\nempty=%s\nwritable=%s\nwatching=%s\n' "$empty" "$writable" "$watching" >"$out"
    if enter .devenv && [ -f volume ] && [ ! -L volume ]; then
        printf 'marker=' >>"$out"
        cat volume >>"$out"
    fi
    id=1
    answer hello
}

take_payload() {
    : >"$in"
    [ "$length" = 0 ] || dd bs="$length" count=1 iflag=fullblock of="$in" 2>/dev/null
    [ "$(stat -c %s -- "$in")" = "$length" ] || bye 'a message was cut, or found no space'
}

looked() {
    : >"$out"
    while IFS= read -r -d '' path; do
        look "$path"
        record "$path" >>"$out"
    done <"$in"
    answer looked
}

obey() {
    case $verb in
    list) listed ;;
    look) looked ;;
    get) get ;;
    put) put ;;
    mkdir) make_folder ;;
    symlink) make_link ;;
    remove) remove ;;
    chmod) set_mode ;;
    move) move ;;
    mark) mark ;;
    ping) pong ;;
    drop) : >"$out" && answer dropped ;;
    *) bye 'a message of an unknown kind' ;;
    esac
}

cd -P -- "$root" 2>/dev/null || bye 'the folder cannot be opened'
root=${PWD%/}
started=$(date +%s)
trap clean EXIT
trap 'exit 0' TERM INT HUP
scratch=$(mktemp -d 2>/dev/null || mktemp -d -p /dev/shm) || bye 'no place for temporary files'
in=$scratch/in out=$scratch/out
if command -v inotifyd >/dev/null; then
    watching=1
    echo / >"$scratch/folders"
    watch
fi
hello
while read -r verb id length; do
    take_payload
    obey
done
