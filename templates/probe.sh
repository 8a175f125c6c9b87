# Exits with 0 when a port of this container answers, with whatever the image has: perl, curl, wget or nc.
# Arguments: tcp PORT, or http PORT PATH (a status below 400).
url=http://127.0.0.1:$2${3:-}
if command -v perl >/dev/null; then
  exec perl -MIO::Socket::INET -e '
    my ($kind, $port, $path) = @ARGV;
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port, Timeout => 3) or exit 1;
    exit 0 if $kind eq "tcp";
    alarm 4;
    print $socket "GET $path HTTP/1.0\r\nHost: localhost\r\n\r\n";
    exit(<$socket> =~ m{^HTTP/\S+ [123]\d\d} ? 0 : 1);' "$@"
elif [ "$1" = tcp ] && command -v nc >/dev/null; then exec nc -z 127.0.0.1 "$2"
elif command -v curl >/dev/null; then exec curl -fsS -m 4 -o /dev/null "$url"
else exec wget -q -T 4 -O /dev/null "$url"
fi
