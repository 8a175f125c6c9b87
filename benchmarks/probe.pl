# Looks at files from inside a container. Each line it reads is a task; its answer begins with the monotonic clock.
use strict;
use warnings;
use POSIX ();

my %clock_call = (x86_64 => 228, aarch64 => 113);
my $clock = $clock_call{(POSIX::uname())[4]} or die "no clock on this processor\n";
my $patience = 300;
$| = 1;

sub now {
    my $time = "\0" x 16;
    syscall $clock, 1, $time;
    my ($seconds, $rest) = unpack 'qq', $time;
    return $seconds + $rest / 1e9;
}

sub path {
    my ($folder, $number, $width) = @_;
    return sprintf '%s/%03d/%05d', $folder, $number / $width, $number;
}

sub content {
    my ($path, $size) = @_;
    open my $file, '<', $path or return;
    my $data = '';
    sysread $file, $data, $size + 1;
    return $data;
}

# One after the other: what has been seen is not looked at again.
sub await {
    my ($kind, $folder, $first, $count, $width, $size, $marker) = @_;
    my $deadline = now() + $patience;
    print "ready\n";
    for my $number ($first .. $first + $count - 1) {
        my $path = path($folder, $number, $width);
        until ($kind eq 'gone' ? !-l $path && !-e $path : has($path, $size, $marker)) {
            return 'never' if now() > $deadline;
            select undef, undef, undef, 0.0002;
        }
    }
    return sprintf '%.6f', now();
}

sub has {
    my ($path, $size, $marker) = @_;
    my $data = content($path, $size);
    return defined $data && length $data == $size && index($data, $marker) == 0;
}

sub read_often {
    my ($folder, $count, $size) = @_;
    my ($path, $missing, $broken, $changes, $last) = (path($folder, 0, 1), 0, 0, 0, '');
    print "ready\n";
    for (1 .. $count) {
        my $data = content($path, $size);
        if (!defined $data) { $missing++; next }
        my $letter = substr $data, 0, 1;
        if (length $data != $size || $letter ne substr $data, -1) { $broken++; next }
        $changes++ if $letter ne $last;
        $last = $letter;
    }
    return sprintf '%.6f %d %d %d', now(), $missing, $broken, $changes;
}

sub save {
    my ($folder, $size, $marker) = @_;
    my $path = path($folder, 0, 1);
    mkdir $folder;
    mkdir "$folder/000";
    my $begun = now();
    open my $file, '>', "$path.new" or return 'never';
    print $file $marker, 'x' x ($size - length $marker);
    close $file;
    rename "$path.new", $path;
    return sprintf '%.6f', $begun;
}

my %tasks = (await => \&await, read => \&read_often, save => \&save);
while (my $line = <STDIN>) {
    chomp $line;
    my ($task, @rest) = split / /, $line;
    print $tasks{$task}->(@rest), "\n";
}
