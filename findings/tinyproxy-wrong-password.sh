#!/usr/bin/env bash
# tinyproxy 1.11.1 (Debian 12, 1.11.1-2.1+deb12u1) answers a wrong password for itself with 401 and WWW-Authenticate, as if the server behind it had asked,
# and a missing one with 407 and Proxy-Authenticate.
#
# RFC 9110, section 15.5.8, has 407 for both: a client cannot tell a proxy that refuses it from a server that does, sends
# the next try's password to the wrong one, and a browser asks its user for the site's password.
#
# Seen: 407 without, 401 with a wrong one. The script fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
chmod 755 "$folder"
(cd "$folder" && apt-get download -qq tinyproxy-bin=1.11.1-2.1+deb12u1 2>/dev/null && dpkg -x tinyproxy-bin_*.deb .)
port=$((20000 + RANDOM % 10000))
printf 'Listen 127.0.0.1\nPort %s\nTimeout 10\nBasicAuth ann sesame\n' "$port" > "$folder/conf"
"$folder/usr/bin/tinyproxy" -d -c "$folder/conf" > "$folder/log" 2>&1 &
proxy=$!
trap 'kill "$proxy"; rm -rf "$folder"' EXIT
until curl -s -o /dev/null "http://127.0.0.1:$port/"; do sleep 0.1; kill -0 "$proxy"; done
status() { curl -s -o /dev/null -w '%{http_code}' -x "$1" http://127.0.0.1:9/; }
missing=$(status "http://127.0.0.1:$port") wrong=$(status "http://ann:wrong@127.0.0.1:$port")
echo "no password: $missing; a wrong one: $wrong"
[ "$missing" = 407 ] && [ "$wrong" = 401 ]
