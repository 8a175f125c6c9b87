# Works inside the container for devenv's sync: lists, reads, watches, and changes only what is still as expected.
#
# Needs nothing but perl-base. Speaks on stdin and stdout as `wire.py` says; words for the log go to stderr.
use strict;
use warnings;
use Errno qw(EAGAIN EEXIST EINTR EINVAL ELOOP ENAMETOOLONG ENOENT ENOSYS ENOTDIR ENOTEMPTY EPERM);
use Fcntl qw(O_CREAT O_DIRECTORY O_EXCL O_NOFOLLOW O_NONBLOCK O_RDONLY O_RDWR O_WRONLY);
use POSIX ();

use constant {
    PIECE => 1 << 18, SHORT => 1 << 16, SETLEASE => 1024, EXCLUSIVE => 1, MOST => 1 << 26, HEADER => 200, LONGEST => 5000,
    HERE => -100, NOFOLLOW => 0x100, BY_HANDLE => 0x1000, FIELDS => 0xfff, WITH_BIRTH => 0x800,
    NEW_FILE => O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, NEW => 1, EXCHANGE => 2, OMIT => 0x3ffffffe, O_PATH => 010000000,
    IN_MODIFY => 0x2, IN_ATTRIB => 0x4, IN_CLOSE_WRITE => 0x8, IN_MOVED_FROM => 0x40, IN_MOVED_TO => 0x80,
    IN_CREATE => 0x100, IN_DELETE => 0x200, IN_OVERFLOW => 0x4000, IN_IGNORED => 0x8000, IN_ISDIR => 0x40000000,
    # ... | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK
    WATCHED => 0x3ce | 0x01000000 | 0x02000000 | 0x04000000,
    QUIET => 0.002, LATEST => 5, WRITING => 30, TICK => 0.01,    # ticks are hundredths of a second
};

# The kernel's numbers of its calls, in this order.
my @calls = qw(statx inotify_init inotify_add inotify_remove rename times);
my %numbers = (
    x86_64  => [332, 294, 254, 255, 316, 280],
    aarch64 => [291, 26,  27,  28,  276, 88],
    riscv64 => [291, 26,  27,  28,  276, 88],
    arm     => [397, 360, 317, 318, 382, 348],
    i386    => [383, 332, 292, 293, 353, 320],
    ppc64le => [383, 318, 276, 277, 357, 304],
    s390x   => [379, 324, 285, 286, 347, 315],
);
my %call;
@call{@calls} = @{ $numbers{ machine() } || [] };

my %kinds = (0100000 => 'f', 0040000 => 'd', 0120000 => 'l');
my @octal = map { sprintf '%o', $_ } 0 .. 0777;
my $own = ".devenv-sync.$$-" . time;
my ($ours, $counter) = (0, 0);
my ($input, $output) = ('', '');
my ($buffer, $dot, $nothing) = ("\0" x 256, '.', '');
my ($root, $here, $here_handle, $put, $inotify);
# What `examine` saw last.
my ($kind, $mode, $size, $mtime, $inode, $links, $signature);
# Watches by folder and folders by watch; paths to report, with those under writing apart; states the host was told.
my (%watch_of, %folder_of, %unwatched, %soon, %late, %rewritten, %told, %told_content, $burst, $earliest);

sub machine {
    my $machine = (POSIX::uname())[4];
    my $is_short = length(pack 'l!', 0) == 4;
    return 'i386' if $machine =~ /^i[3-6]86$/ || $is_short && $machine eq 'x86_64';
    return 'arm' if $machine =~ /^arm/ || $is_short && $machine eq 'aarch64';
    return $machine;
}

# --- what is there -------------------------------------------------------------------------------------------------

# Look at a name of the current folder, never through a link; true when something is there.
sub examine { return examine_at(HERE, $_[0], NOFOLLOW) }

sub examine_handle { return examine_at(fileno $_[0], $nothing, BY_HANDLE) }

sub examine_at {
    my ($folder, $name, $flags) = @_;
    return 0 if syscall($call{statx}, $folder, $name, $flags, FIELDS, $buffer) != 0;
    my ($known, $type, $born, $born_nano, $changed, $changed_nano, $nano);
    ($known, $links, $type, $inode, $size, $born, $born_nano, $changed, $changed_nano, $mtime, $nano) =
        unpack 'L x12 L x8 S x2 Q Q x32 q L x4 q L x4 q L', $buffer;
    $mtime = nanoseconds($mtime, $nano);
    take_mode($type);
    if ($kind eq 'd') {
        # A folder made anew may get the number of the old one, but not its time of birth.
        $signature = "$inode.$octal[$mode]" . ($known & WITH_BIRTH ? ".$born.$born_nano" : '');
    } else {
        $signature = "$inode.$size.$mtime." . nanoseconds($changed, $changed_nano);
    }
    $size = 0 if $kind ne 'f';
    return 1;
}

sub take_mode {
    $kind = $kinds{ $_[0] & 0170000 } || 'o';
    $mode = $_[0] & 0777;
    return;
}

sub nanoseconds {
    my ($seconds, $nano) = @_;
    return $seconds > 0 ? 9e18 : -9e18 if $seconds > 9e9 || $seconds < -9e9;
    return $seconds * 1_000_000_000 + $nano;
}

# The record of what `examine` saw under a name of the current folder.
sub record {
    my ($path, $name) = @_;
    my $record = "$kind $octal[$mode] $size $mtime $inode $signature $path\0";
    return $record if $kind ne 'l';
    my $target = readlink $name;
    return defined $target ? "$record$target\0" : state_of($path, $name);
}

# The record of what is there, or of nothing; what cannot be seen is not nothing.
sub state_of {
    my ($path, $name) = @_;
    return record($path, $name) if examine($name);
    return unseen($path);
}

sub unseen {
    my ($path) = @_;
    ($kind, $mode, $size, $mtime, $inode, $links, $signature) = ('-', 0, 0, 0, 0, 0, '-');
    return "- 0 0 0 0 - $path\0" if $! == ENOENT || $! == ENOTDIR || $! == ELOOP || $! == ENAMETOOLONG;
    ($kind, $signature) = ('o', '?');
    return "o 0 0 0 0 ? $path\0";
}

sub look {
    my ($path) = @_;
    if ($path eq '') {
        chdir $root or return unseen($path);
        undef $here;
        return state_of($path, $dot);
    }
    my $name = place($path);
    return defined $name ? state_of($path, $name) : unseen($path);
}

# What tells one file from another even after it was renamed.
sub identity { return "$inode.$size.$mtime" }

# Whether a name of the current folder is as the host expects it.
sub matches {
    my ($name, $expected) = @_;
    $expected =~ s/~\d+\z//;
    return examine($name) && $signature eq $expected;
}

# --- where ---------------------------------------------------------------------------------------------------------

# Make a folder the current one: from the root's handle, part by part, never through a link (P5).
sub enter {
    my ($folder) = @_;
    return 1 if defined $here && $here eq $folder;
    my @parts = split /\//, $folder, -1;
    if (grep { $_ eq '' || $_ eq '.' || $_ eq '..' } @parts) { $! = EINVAL; return 0 }
    if (defined $here && $here ne '' && index($folder, "$here/") == 0) {
        splice @parts, 0, 1 + ($here =~ tr{/}{});
    } else {
        chdir $root or return 0;
        $here_handle = $root;
    }
    undef $here;
    for my $part (@parts) {
        sysopen my $handle, $part, O_PATH | O_DIRECTORY | O_NOFOLLOW or return 0;
        chdir $handle or return 0;
        $here_handle = $handle;
    }
    $here = $folder;
    return 1;
}

# Enter a path's folder and return its name there; undef, and `$!`, when that cannot be.
sub place {
    my ($path) = @_;
    my $cut = rindex $path, '/';
    my $name = substr $path, $cut + 1;
    if ($name eq '' || $name eq '.' || $name eq '..') { $! = EINVAL; return }
    return enter($cut < 0 ? '' : substr $path, 0, $cut) ? $name : undef;
}

sub is_temporary { return index($_[0], '.devenv-sync.') == 0 }

# A name for what is about to take a place; with `.new`, only ours can ever be under it.
sub temporary { return "$own-" . ++$ours . ($_[0] ? '' : '.new') }

sub paths {
    my ($payload) = @_;
    my @paths = split /\0/, $payload, -1;
    pop @paths;
    return @paths;
}

# --- listing -------------------------------------------------------------------------------------------------------

sub list {
    my ($id, $payload) = @_;
    drain();
    my $records = '';
    for my $folder (paths($payload)) {
        $records .= entries($folder, sub { answer('part', $id, $_[0]) });
        if (length $records >= PIECE) { answer('part', $id, $records); $records = '' }
    }
    return answer('listed', $id, $records);
}

# The records of a folder's entries, watched from before they are read; of the path itself when it cannot be listed.
sub entries {
    my ($folder, $cut) = @_;
    enter($folder) or return look($folder);
    watch($folder);
    enter($folder) && opendir my $opened, $dot or return look($folder);
    $! = 0;
    my @names = readdir $opened;
    return look($folder) if $!;
    my ($records, $prefix) = ('', $folder eq '' ? '' : "$folder/");
    for my $name (@names) {
        next if $name eq '.' || $name eq '..' || $folder eq '' && $name eq '.devenv';
        if (is_temporary($name)) { sweep($name); next }
        my $record = state_of("$prefix$name", $name);
        $records .= $record if $kind ne '-';
        if (length $records >= PIECE) { $cut->($records); $records = '' }
    }
    return $records;
}

# Remove what an agent that was killed left: what was never under another name, and what is half written, which has no
# permissions until it is whole. Anything else may be what somebody had here.
sub sweep {
    my ($name) = @_;
    return if index($name, $own) == 0 || !examine($name) || $kind eq 'd';
    unlink $name if $name =~ /\.new\z/ || $kind eq 'f' && $mode == 0;
    return;
}

# --- reading -------------------------------------------------------------------------------------------------------

sub get {
    my ($id, $payload) = @_;
    my ($path) = split /\0/, $payload;
    my $record = look($path);
    if ($kind eq 'f') {
        sysopen my $handle, place($path), O_RDONLY | O_NOFOLLOW | O_NONBLOCK or return failed($id);
        examine_handle($handle) && $kind eq 'f' or return failed($id, 'it was replaced meanwhile');
        answer('file', $id, record($path));
        my $left = $size;
        while ($left > 0) {
            my $count = sysread $handle, my $piece, $left < PIECE ? $left : PIECE;
            return failed($id) if !defined $count;
            last if !$count;
            answer('data', $id, $piece);
            $left -= $count;
        }
        examine_handle($handle) or return failed($id);
        return answer('read', $id, record($path));
    }
    answer('file', $id, $record);
    return answer('read', $id, $record);
}

# Read small files. Answers a record for each, of nothing where it could not be read as it was at one moment, and then
# what is in them.
sub fetch {
    my ($id, $payload) = @_;
    my ($records, $contents) = ('', '');
    for my $path (paths($payload)) {
        my $record = take($path, \$contents);
        $records .= $record // "- 0 0 0 0 - $path\0";
    }
    return answer('fetched', $id, length($records) . "\0$records$contents");
}

sub take {
    my ($path, $contents) = @_;
    my $name = place($path);
    sysopen my $handle, $name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK or return if defined $name;
    return if !defined $name || !examine_handle($handle) || $kind ne 'f' || $size > PIECE;
    my ($before, $length) = ($signature, $size);
    my $count = sysread $handle, my $content, $length + 1;
    return if !defined $count || $count != $length || !examine_handle($handle) || $signature ne $before;
    $$contents .= $content;
    return record($path);
}

# --- writing -------------------------------------------------------------------------------------------------------

# Begin a file; its content stands in `$input` from `$from` to `$end`.
sub start_put {
    my ($id, $from, $end) = @_;
    my $most = $end - $from < LONGEST ? $end - $from : LONGEST;
    my ($path, $expected, $bits, $time, $length) = split /\0/, substr($input, $from, $most), 6;
    bye('a file without its words') if !defined $length || "$time$length" !~ /\A-?\d+\z/;
    $from += 5 + length "$path$expected$bits$time$length";
    my $name = place($path);
    if (defined $name && $end - $from == $length && $length <= SHORT && $expected ne '') {
        my $record = overwrite($path, $name, $expected, oct $bits, $time, substr $input, $from, $length);
        return done($id, $path, $record) if defined $record;
    }
    $put = { id => $id, path => $path, name => $name, expected => $expected, mode => oct $bits, mtime => $time,
        left => $length, folder => $here_handle, temporary => temporary($expected) };
    if (defined $name && sysopen my $handle, $put->{temporary}, NEW_FILE, 0) { $put->{handle} = $handle }
    else { $put->{failure} = "$!" }
    $put->{is_whole} = $end - $from >= $length;
    return more($from, $end);
}

sub more {
    my ($from, $end) = @_;
    $put->{left} -= $end - $from;
    while ($from < $end && !defined $put->{failure}) {
        my $count = syswrite $put->{handle}, $input, $end - $from, $from;
        if (defined $count) { $from += $count }
        elsif ($! != EINTR) { $put->{failure} = "$!" }
    }
    finish_put() if $put->{left} <= 0;
    return;
}

sub finish_put {
    my $done = $put;
    my ($id, $path, $name) = @$done{qw(id path name)};
    # While further pieces came, the folder may have been moved.
    if (!$done->{is_whole} && !defined $done->{failure}) {
        undef $here;
        $done->{failure} = "$!" if !defined place($path);
        $done->{failure} //= 'its folder was moved meanwhile'
            if $done->{handle} && !is_same($done->{handle}, $done->{temporary});
    }
    if (!defined $done->{failure}) {
        my $handle = $done->{handle};
        # Closed before it gets its name, as the event of closing it bears the name it then has.
        chmod($done->{mode}, $handle) && set_time(fileno $handle, $done->{mtime}) && close $handle
            or $done->{failure} = "$!";
    }
    if (defined $done->{failure}) {
        discard();
        return failed($id, $done->{failure});
    }
    undef $put;
    return install($id, $done->{temporary}, $name, $path, $done->{expected});
}

# Write a file where it is: who watches the file itself, and not its folder, hears of a second save only so. Only under a
# lease, which is had when nobody else has it open; whoever opens it waits meanwhile, so nobody reads it half written.
# Gives the record; undef where it has to be replaced instead.
sub overwrite {
    my ($path, $name, $expected, $bits, $time, $content) = @_;
    sysopen my $handle, $name, O_RDWR | O_NOFOLLOW | O_NONBLOCK or return;
    # By another name it may be what somebody else uses.
    return if !is_expected($handle, $expected) || $links != 1 || $size > SHORT;
    fcntl $handle, SETLEASE, EXCLUSIVE or return;
    return if !is_expected($handle, $expected) || !matches($name, $expected);
    my $old_bits = $mode;
    my $before = '';
    my $count = sysread $handle, $before, $size;
    return if !defined $count || $count != $size;
    if (!rewrite($handle, $content)) {
        rewrite($handle, $before);
        return;
    }
    $bits == $old_bits || chmod $bits, $handle or return;
    set_time(fileno $handle, $time) && examine_handle($handle) or return;
    $told_content{$path} = 1;
    return record($path, $name);
}

sub is_expected {
    my ($handle, $expected) = @_;
    $expected =~ s/~\d+\z//;
    return examine_handle($handle) && $kind eq 'f' && $signature eq $expected;
}

sub rewrite {
    my ($handle, $content) = @_;
    sysseek $handle, 0, 0 or return 0;
    my $count = syswrite $handle, $content;
    return defined $count && $count == length $content && truncate $handle, length $content;
}

sub set_time {
    my ($file, $time) = @_;
    my $nano = $time % 1_000_000_000;
    my $times = pack 'l!4', 0, OMIT, int(($time - $nano) / 1_000_000_000), $nano;
    return syscall($call{times}, $file + 0, 0, $times, 0) == 0;
}

# Leave a file that is half written as if it had never been begun.
sub discard {
    my $gone = $put or return;
    undef $put;
    return if !$gone->{handle};
    undef $here;
    chdir $gone->{folder} or return;
    unlink $gone->{temporary};
    return;
}

sub is_same {
    my ($handle, $name) = @_;
    examine_handle($handle) or return 0;
    my $number = $inode;
    return examine($name) && $inode == $number;
}

# Put a temporary file or link in place of what is expected there, and answer.
sub install {
    my ($id, $temporary, $name, $path, $expected) = @_;
    examine($temporary) or return failed($id);
    my ($new, $before) = (identity(), record($path, $temporary));
    my $verb = $expected eq '' ? appear($temporary, $name) : replace($temporary, $name, $expected, $new);
    if ($verb eq 'done') {
        return done($id, $path, settled($path, $name, $new, $before));
    }
    my $words = "$!";
    unlink $temporary;
    return $verb eq 'refused' ? answer($verb, $id, state_of($path, $name)) : failed($id, $words);
}

sub appear {
    my ($temporary, $name) = @_;
    return rename_new($temporary, $name) ? 'done' : $! == EEXIST ? 'refused' : 'failed';
}

# What came out under the temporary name is what was replaced, to the last moment; if it is not what was expected, back.
sub replace {
    my ($temporary, $name, $expected, $new) = @_;
    return 'refused' if !matches($name, $expected) || $kind ne 'f' && $kind ne 'l';
    my $old = identity();
    if (!rename_at($temporary, $name, EXCHANGE)) {
        return $! == ENOENT ? 'refused' : 'failed' if $! != EINVAL && $! != ENOSYS && $! != EPERM;
        return rename($temporary, $name) ? 'done' : 'failed';
    }
    if (examine($temporary) && identity() eq $old) {
        unlink $temporary;
        return 'done';
    }
    rename_at($temporary, $name, EXCHANGE) || rename_new($temporary, $name);
    keep($temporary, $name) if examine($temporary) && identity() ne $new;
    return 'refused';
}

# Our own file's state when it is what is there, else its state before it was put there: the rest is somebody's change.
sub settled {
    my ($path, $name, $new, $before) = @_;
    if (examine($name) && identity() eq $new) {
        my $now = record($path, $name);
        return $now if identity() eq $new;
    }
    ($signature) = (split / /, $before, 7)[5];
    return $before;
}

sub keep {
    my ($temporary, $name) = @_;
    my $number = 1;
    $number++ while !rename_new($temporary, "$name.kept-$number") && $! == EEXIST;
    return;
}

sub rename_at {
    my ($from, $to, $flags) = @_;
    return syscall($call{rename}, HERE, $from, HERE, $to, $flags) == 0;
}

sub rename_new {
    my ($from, $to) = @_;
    return 1 if rename_at($from, $to, NEW);
    return 0 if $! != EINVAL && $! != ENOSYS && $! != EPERM;
    return rename_new_plainly($from, $to);
}

# For kernels and file systems without RENAME_NOREPLACE.
sub rename_new_plainly {
    my ($from, $to) = @_;
    if (lstat $to) { $! = EEXIST; return 0 }
    if (lstat $from && !-d _ && link $from, $to) { return unlink $from }
    return 0 if $! == EEXIST;
    return rename $from, $to;
}

# --- writing many --------------------------------------------------------------------------------------------------

# Write new files, each where nothing is. Answers each one's signature, or nothing where it could not be.
sub add {
    my ($id, $from, $end) = @_;
    my ($how, $length) = split /\0/, substr($input, $from, HEADER), 3;
    bye('files without their words') if !defined $length || $length !~ /\A\d+\z/;
    $from += 2 + length "$how$length";
    my @words = split /\0/, substr($input, $from, $length), -1;
    $from += $length;
    my ($signatures, $add) = ('', $how eq 'direct' ? \&add_directly : \&add_whole);
    for (my $at = 0; $at < @words - 3; $at += 4) {
        my ($path, $bits, $time, $size) = @words[$at .. $at + 3];
        my $name = place($path);
        $signatures .= defined $name && $add->($path, $name, oct $bits, $time, $from, $size) ? "$signature\0" : "\0";
        $from += $size;
    }
    bye('files of other lengths') if $from != $end;
    return answer('added', $id, $signatures);
}

# Nobody reads yet: under its name from the start. Files are numbers here: to make perl's handles takes half the time.
sub add_directly {
    my ($path, $name, $bits, $time, $from, $size) = @_;
    my $file = POSIX::open($name, NEW_FILE, $bits) // return 0;
    my $is_whole = fill($file, $from, $size) && set_time($file, $time) && sign($file);
    if ($is_whole && %watch_of) {
        $told_content{$path} = 1;
        remember($path);
    } elsif (!$is_whole) {
        my $ours = examine_at($file, $nothing, BY_HANDLE) && $inode;
        unlink $name if $ours && examine($name) && $inode == $ours;
    }
    POSIX::close($file);
    return $is_whole;
}

sub add_whole {
    my ($path, $name, $bits, $time, $from, $size) = @_;
    my $temporary = temporary();
    my $file = POSIX::open($temporary, NEW_FILE, $bits) // return 0;
    my $is_whole = fill($file, $from, $size) && set_time($file, $time) && examine_at($file, $nothing, BY_HANDLE);
    if (POSIX::close($file) && $is_whole) {
        my ($ours, $before) = (identity(), $signature);
        if (rename_new($temporary, $name)) {
            # Somebody may have written to it at once.
            $signature = $before if !examine($name) || identity() ne $ours;
            remember($path);
            return 1;
        }
    }
    unlink $temporary;
    return 0;
}

# `examine_handle` of a plain file, for its signature alone.
sub sign {
    my ($file) = @_;
    return 0 if syscall($call{statx}, $file + 0, $nothing, BY_HANDLE, FIELDS, $buffer) != 0;
    my ($number, $length, $changed, $changed_nano, $written, $nano) = unpack 'x32 Q Q x48 q L x4 q L', $buffer;
    $signature = join '.', $number, $length, nanoseconds($written, $nano), nanoseconds($changed, $changed_nano);
    return 1;
}

sub fill {
    my ($file, $from, $size) = @_;
    my $count = POSIX::write($file, substr($input, $from, $size), $size);
    return defined $count && $count == $size;
}

# --- the other changes ---------------------------------------------------------------------------------------------

sub make_folder {
    my ($id, $payload) = @_;
    my ($path, $bits) = split /\0/, $payload;
    my $name = place($path);
    return failed($id) if !defined $name;
    if (mkdir $name, oct $bits) { return answer('done', $id, state_of($path, $name)) }
    return $! == EEXIST ? answer('refused', $id, state_of($path, $name)) : failed($id);
}

sub make_link {
    my ($id, $payload) = @_;
    my ($path, $expected, $target) = split /\0/, $payload;
    my $name = place($path);
    return failed($id) if !defined $name;
    my $temporary = temporary($expected);
    symlink $target, $temporary or return failed($id);
    return install($id, $temporary, $name, $path, $expected);
}

sub remove {
    my ($id, $payload) = @_;
    my ($path, $expected) = split /\0/, $payload, -1;
    my $name = place($path);
    my $record = defined $name ? state_of($path, $name) : unseen($path);
    return done($id, $path, $record) if $kind eq '-';
    return failed($id) if !defined $name;
    return answer('refused', $id, $record) if !matches($name, $expected) || $kind eq 'o';
    return remove_folder($id, $path, $name) if $kind eq 'd';
    my ($old, $temporary) = (identity(), temporary(1));
    rename_new($name, $temporary) or return $! == ENOENT ? done($id, $path, unseen($path)) : failed($id);
    if (examine($temporary) && identity() eq $old) {
        unlink $temporary or return failed($id);
        $! = ENOENT;
        return done($id, $path, unseen($path));
    }
    rename_new($temporary, $name) || keep($temporary, $name);
    return answer('refused', $id, state_of($path, $name));
}

sub remove_folder {
    my ($id, $path, $name) = @_;
    if (!rmdir $name) {
        return failed($id) if $! != ENOTEMPTY && $! != EEXIST;
        sweep_all($path);
        $name = place($path);
        return failed($id) if !defined $name;
        rmdir $name or return answer('refused', $id, state_of($path, $name));
    }
    $! = ENOENT;
    return done($id, $path, unseen($path));
}

sub sweep_all {
    my ($folder) = @_;
    enter($folder) && opendir my $opened, $dot or return;
    sweep($_) for grep { is_temporary($_) } readdir $opened;
    # The folder is about to go.
    undef $here;
    return;
}

sub set_mode {
    my ($id, $payload) = @_;
    my ($path, $expected, $bits) = split /\0/, $payload;
    my $name = place($path);
    return failed($id) if !defined $name;
    return answer('refused', $id, state_of($path, $name)) if !matches($name, $expected) || $kind !~ /[fd]/;
    my $seen = $signature;
    sysopen my $handle, $name, O_PATH | O_NOFOLLOW or return failed($id);
    examine_handle($handle) && $signature eq $seen
        or return answer('refused', $id, state_of($path, $name));
    # A handle of this sort is for a place only, but the kernel's name of it leads to that very file.
    if (!chmod oct $bits, '/proc/self/fd/' . fileno $handle) {
        return failed($id) if $! != ENOENT;
        chmod oct $bits, $name or return failed($id);
    }
    examine_handle($handle) or return failed($id);
    return done($id, $path, record($path, $name));
}

sub move {
    my ($id, $payload) = @_;
    my ($from, $expected, $to) = split /\0/, $payload;
    my $name = place($from);
    return failed($id) if !defined $name;
    return answer('refused', $id, state_of($from, $name)) if !matches($name, $expected);
    my ($is_folder, $old, $number, $source) = ($kind eq 'd', identity(), $inode, $here_handle);
    my $new_name = place($to);
    return failed($id) if !defined $new_name;
    my $target = $here_handle;
    if (!rename_between($source, $name, $target, $new_name)) {
        return $! == EEXIST ? answer('refused', $id, state_of($to, $new_name)) : failed($id);
    }
    undef $here;
    chdir $target or return failed($id);
    if (!examine($new_name) || ($is_folder ? $inode != $number : identity() ne $old)) {
        rename_between($target, $new_name, $source, $name);
        return answer('refused', $id, look($from));
    }
    my $record = record($to, $new_name);
    $told{$from} = '-' if exists $watch_of{ folder($from) };
    return $is_folder ? answer('done', $id, $record) : done($id, $to, $record);
}

sub rename_between {
    my ($source, $name, $target, $new_name) = @_;
    my ($from, $to) = (fileno $source, fileno $target);
    return 1 if syscall($call{rename}, $from, $name, $to, $new_name, NEW) == 0;
    return 0 if $! != EINVAL && $! != ENOSYS && $! != EPERM;
    return rename_new_plainly("/proc/self/fd/$from/$name", "/proc/self/fd/$to/$new_name");
}

sub mark {
    my ($id, $payload) = @_;
    enter('') or return failed($id);
    mkdir '.devenv', 0755;
    enter('.devenv') or return failed($id);
    my $temporary = temporary();
    sysopen my $handle, $temporary, O_WRONLY | O_CREAT | O_EXCL, 0644 or return failed($id);
    my $count = syswrite $handle, $payload;
    if (!defined $count || $count != length $payload || !close $handle || !rename $temporary, 'volume') {
        my $words = "$!";
        unlink $temporary;
        return failed($id, $words);
    }
    return answer('done', $id, '');
}

# --- watching ------------------------------------------------------------------------------------------------------

sub folder {
    my $cut = rindex $_[0], '/';
    return $cut < 0 ? '' : substr $_[0], 0, $cut;
}

sub start_watching {
    close $inotify if $inotify;
    undef $inotify;
    (%watch_of, %folder_of) = ();
    my $number = syscall $call{inotify_init}, O_NONBLOCK;
    open $inotify, '<&=', $number if $number >= 0;
    return;
}

sub add_watch { return syscall $call{inotify_add}, fileno $inotify, $dot, WATCHED }

sub remove_watch { return syscall $call{inotify_remove}, fileno $inotify, $_[0] + 0 }

# Watch the current folder.
sub watch {
    my ($folder) = @_;
    return if !$inotify;
    my $watch = add_watch();
    return unwatched("$!") if $watch < 0;
    my ($other, $earlier) = ($folder_of{$watch}, $watch_of{$folder});
    delete $watch_of{$other} if defined $other && $other ne $folder;
    if (defined $earlier && $earlier != $watch) {
        remove_watch($earlier);
        delete $folder_of{$earlier};
    }
    $folder_of{$watch} = $folder;
    $watch_of{$folder} = $watch;
    delete $unwatched{$folder};
    return;
}

# From here on the host has to look for itself.
sub unwatched {
    my ($words) = @_;
    warn "no more folders can be watched: $words\n";
    close $inotify;
    undef $inotify;
    (%watch_of, %folder_of) = ();
    return hello();
}

# Take what the kernel has to tell.
sub drain {
    while ($inotify && (sysread $inotify, my $events, PIECE)) {
        my $at = 0;
        while ($at < length $events) {
            my ($watch, $mask, undef, $length) = unpack 'iLLL', substr $events, $at, 16;
            notice($watch, $mask, unpack 'Z*', substr $events, $at + 16, $length);
            $at += 16 + $length;
        }
    }
    return;
}

sub notice {
    my ($watch, $mask, $name) = @_;
    return lose() if $mask & IN_OVERFLOW;
    my $folder = $folder_of{$watch};
    return if !defined $folder;
    return unwatch($watch, $folder) if $mask & IN_IGNORED;
    return if !defined $name || $name eq '' || is_temporary($name) || $folder eq '' && $name eq '.devenv';
    my $path = $folder eq '' ? $name : "$folder/$name";
    moved_away($path) if $mask & IN_MOVED_FROM && $mask & IN_ISDIR;
    $rewritten{$path} = 1 if $mask & (IN_MODIFY | IN_CLOSE_WRITE);
    my $is_late = $mask & IN_MODIFY || $mask & IN_CREATE && !($mask & IN_ISDIR) && is_being_written($path);
    if ($is_late || $mask & IN_ATTRIB && exists $late{$path}) {
        return if exists $soon{$path};
        $late{$path} //= ticks() + WRITING;
        $earliest //= $late{$path};
        return;
    }
    delete $late{$path};
    $burst //= ticks();
    $soon{$path} = 1;
    return;
}

# A new plain file, most likely still without its content; a new name of an old file has all of it.
sub is_being_written {
    my $name = place($_[0]);
    return defined $name && examine($name) && $kind eq 'f' && $links == 1;
}

sub lose {
    start_watching();
    (%unwatched, %soon, %late, %rewritten, %told, %told_content) = ();
    ($burst, $earliest) = ();
    $output .= "overflow 0\n";
    return;
}

sub unwatch {
    my ($watch, $folder) = @_;
    delete $folder_of{$watch};
    delete $watch_of{$folder};
    return;
}

# A folder was moved away: what is below it is told under other names, after the host has listed it there.
sub moved_away {
    my ($path) = @_;
    my $watch = $watch_of{$path};
    undef $here;
    return if !defined $watch;
    # The word may be old: the host may have listed what is there now, or it is back.
    if (enter($path)) {
        my $now = add_watch();
        return if $now == $watch;
        remove_watch($now) if $now >= 0 && !exists $folder_of{$now};
    }
    for my $below (grep { $_ eq $path || index($_, "$path/") == 0 } keys %watch_of) {
        my $dropped = delete $watch_of{$below};
        delete $folder_of{$dropped};
        remove_watch($dropped);
        $unwatched{$below} = 1;
    }
    return;
}

# Report what was changed; with `$all` also what is under writing.
sub report {
    my ($all) = @_;
    my $now = ticks();
    my @paths = keys %soon;
    push @paths, grep { !$soon{$_} && ($all || $late{$_} <= $now) } keys %late;
    delete @soon{@paths};
    delete @late{@paths};
    ($burst, $earliest) = (undef, (sort { $a <=> $b } values %late)[0]);
    my $records = '';
    for my $path (sort @paths) {
        $records .= changed($path);
        if (length $records >= PIECE) { tell_changed($records); $records = '' }
    }
    tell_changed($records) if $records ne '';
    return;
}

# The record of a changed path; empty when the host knows of it from an answer.
sub changed {
    my ($path) = @_;
    my $is_rewritten = delete $rewritten{$path};
    my ($known, $is_known_content) = (delete $told{$path}, delete $told_content{$path});
    my $record = look($path);
    # It may have been away and be back: then the host has to hear that it was, to list what is in it again.
    $record = "- 0 0 0 0 - $path\0$record" if delete $unwatched{$path} && $kind eq 'd';
    return '' if defined $known && $known eq $signature && $kind ne 'd' && (!$is_rewritten || $is_known_content);
    # Times advance in steps, so that content may have changed and no time: let the host look at it.
    $record =~ s/\A((?:[^ ]+ ){5}[^ ]+)/"$1~" . ++$counter/e if $is_rewritten && $kind eq 'f';
    return $record;
}

sub tell_changed {
    $output .= 'changed ' . length($_[0]) . "\n$_[0]";
    flush_output() if length $output >= PIECE;
    return;
}

sub ticks { return (POSIX::times())[0] }

# --- speaking ------------------------------------------------------------------------------------------------------

sub answer {
    my ($verb, $id, $payload) = @_;
    $output .= "$verb $id " . length($payload) . "\n$payload";
    flush_output() if length $output >= PIECE;
    return;
}

# Answer a change, and remember what the host was told.
sub done {
    my ($id, $path, $record) = @_;
    remember($path);
    return answer('done', $id, $record);
}

sub remember {
    my ($path) = @_;
    if (exists $watch_of{ folder($path) }) { $told{$path} = $signature }
    else { delete $told_content{$path} }
    return;
}

sub failed {
    my ($id, $words) = @_;
    return answer('failed', $id, $words // "$!");
}

sub flush_output {
    my $at = 0;
    while ($at < length $output) {
        my $count = syswrite STDOUT, $output, length($output) - $at, $at;
        if (defined $count) { $at += $count }
        elsif ($! == EAGAIN) { select undef, my $ready = mask(\*STDOUT), undef, undef }
        elsif ($! != EINTR) { exit 1 }
    }
    $output = '';
    return;
}

sub mask {
    my $mask = '';
    vec($mask, fileno $_, 1) = 1 for @_;
    return $mask;
}

sub bye {
    my ($words) = @_;
    $output .= 'bye ' . length($words) . "\n$words";
    flush_output();
    exit 0;
}

sub hello {
    enter('') && opendir my $opened, $dot or bye("the folder cannot be read: $!");
    my $is_empty = !grep { !/\A(?:\.|\.\.|\.devenv|lost\+found)\z/ && !is_temporary($_) } readdir $opened;
    my @lines = ('agent=perl', 'empty=' . ($is_empty ? 1 : 0), 'writable=' . (POSIX::access($dot, 2) ? 1 : 0),
        'watching=' . ($inotify ? 1 : 0), 'bulk=1');
    my $marker = marker();
    push @lines, "marker=$marker" if defined $marker;
    return answer('hello', 1, join "\n", @lines, '') if !defined $marker;
    return answer('hello', 1, join "\n", @lines);
}

sub marker {
    enter('.devenv') && sysopen my $handle, 'volume', O_RDONLY | O_NOFOLLOW | O_NONBLOCK or return;
    sysread $handle, my $marker, PIECE;
    return $marker;
}

# --- hearing -------------------------------------------------------------------------------------------------------

my %verbs = (
    list => \&list, look => \&look_all, get => \&get, fetch => \&fetch, mkdir => \&make_folder, symlink => \&make_link,
    remove => \&remove, chmod => \&set_mode, move => \&move, mark => \&mark, ping => \&pong,
);

sub look_all {
    my ($id, $payload) = @_;
    return answer('looked', $id, join '', map { look($_) } paths($payload));
}

sub pong {
    my ($id) = @_;
    # No event tells of it, as it is held open here.
    bye('the folder is gone') if examine_handle($root) && $links == 0;
    drain();
    report(1);
    return answer('pong', $id, '');
}

# Do what the messages that are whole say; keep the rest.
sub obey {
    my $at = 0;
    while ((my $end = index $input, "\n", $at) >= 0) {
        my ($verb, $id, $length) = split / /, substr $input, $at, $end - $at;
        bye('nonsense came in') if !defined $length || $length !~ /\A\d+\z/ || $length > MOST;
        my $next = $end + 1 + $length;
        last if $next > length $input;
        dispatch($verb, $id, $end + 1, $next);
        $at = $next;
    }
    bye('nonsense came in') if $at == 0 && length $input > HEADER && index($input, "\n") < 0;
    substr($input, 0, $at) = '';
    return;
}

sub dispatch {
    my ($verb, $id, $from, $end) = @_;
    if ($verb eq 'add') { return add($id, $from, $end) }
    if ($verb eq 'put') { return $put ? bye('a file within a file') : start_put($id, $from, $end) }
    if ($verb eq 'more') { return $put ? more($from, $end) : bye('more of no file') }
    if ($verb eq 'drop') { discard(); return answer('dropped', $id, '') }
    my $act = $verbs{$verb} or bye('a message of an unknown kind');
    return $act->($id, substr $input, $from, $end - $from);
}

# How long to wait for something to happen; undef is for ever.
sub patience {
    return QUIET if %soon;
    return if !%late;
    $earliest //= 0;
    my $left = ($earliest - ticks()) * TICK;
    return $left > 0 ? $left : 0;
}

sub work {
    while (1) {
        flush_output() if $output ne '';
        my $ready = mask(\*STDIN, $inotify || ());
        my $count = select $ready, undef, undef, patience();
        # Folders may have been moved while we waited.
        undef $here;
        drain();
        my $is_time = $count == 0 || defined $burst && ticks() - $burst >= LATEST;
        report(0) if $is_time && (%soon || %late);
        next if $count <= 0 || !vec $ready, fileno STDIN, 1;
        my $read = sysread STDIN, $input, PIECE, length $input;
        return if defined $read ? !$read : $! != EINTR && $! != EAGAIN;
        obey();
    }
}

# Without a folder it only says whether it can work here: it needs times that are finer than seconds.
exit($call{statx} && examine($dot) ? 0 : 1) if !@ARGV;
my ($folder) = @ARGV;
utf8::encode($folder) if utf8::is_utf8($folder);
umask 0;
# No handle is ever passed on, so none needs a mark that says so.
$^F = 1 << 20;
binmode $_ for \*STDIN, \*STDOUT;
# The second tells that somebody waits for a lease to end.
$SIG{$_} = 'IGNORE' for qw(PIPE IO);
# Asked to end, it comes to the end of its input: never in the middle of a change.
open my $end, '<', '/dev/null' or bye("no end of input: $!");
$SIG{$_} = sub { POSIX::dup2(fileno $end, fileno STDIN) } for qw(TERM INT HUP);
sysopen $root, $folder, O_RDONLY | O_DIRECTORY or bye("the folder cannot be opened: $!");
start_watching();
hello();
work();
END { discard() }
