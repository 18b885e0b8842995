#!/bin/bash
# Whether the web server of this container is ready: status 0, and what /readyz says on standard output.
# Bash alone, for it is asked every five seconds: a start of Python would cost more than the pages do.
exec 3<>"/dev/tcp/127.0.0.1/${PORT:-8000}" || exit 1
printf 'GET /readyz HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n' >&3
IFS= read -r -t 5 status <&3 || exit 1
timeout 5 cat <&3
[[ $status == HTTP/1.?" 200 "* ]]
