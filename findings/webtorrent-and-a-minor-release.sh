#!/usr/bin/env bash
# WebTorrent 2.8.5 (npm, Node 20) with its dependency uint8-util 2.3.2, which its range allows: adding any torrent ends
# the process with a TypeError; with uint8-util 2.2.6 the same lines work.
#
# webtorrent asks for ^2.2.5 and calls arr2hex with what may be no array at all. Up to 2.2 that gave some text, which is
# used for log lines only; 2.3, a minor release, throws in an async function that nobody awaits. A fresh
# `npm install webtorrent@2.8.5` has the latter: one would guess that an install within the ranges of a release works.
#
# WebRTC is replaced by nothing here, because its native module has no binary for every machine; TCP is enough to see it.
# Seen: "torrent ready" and exit code 0 with 2.2.6; a TypeError of arr2hex and exit code 1 with 2.3.2. The script fails
# when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat > "$folder/try.mjs" <<'JS'
import WebTorrent from 'webtorrent'
import createTorrent from 'create-torrent'

const content = Buffer.alloc(100_000, 7)
content.name = 'sevens'
const off = { dht: false, lsd: false, utp: false, tracker: false, natUpnp: false, natPmp: false }
createTorrent(content, { announceList: [] }, (error, torrent) => {
  if (error) throw error
  new WebTorrent(off).add(torrent, { path: process.argv[2] }).on('metadata', () => {
    console.log('torrent ready')
    process.exit(0)
  })
})
JS
for version in 2.2.6 2.3.2; do
  where=$folder/$version
  mkdir -p "$where/no-webrtc"
  cp "$folder/try.mjs" "$where/"
  echo '{ "name": "webrtc-polyfill", "version": "1.2.2", "type": "module", "exports": "./index.js" }' > "$where/no-webrtc/package.json"
  echo 'export const RTCPeerConnection = undefined, RTCSessionDescription = undefined, RTCIceCandidate = undefined; export default {}' > "$where/no-webrtc/index.js"
  cat > "$where/package.json" <<JSON
{ "private": true, "type": "module", "dependencies": { "webtorrent": "2.8.5", "create-torrent": "6.1.3" },
  "overrides": { "webrtc-polyfill": "file:./no-webrtc", "uint8-util": "$version" } }
JSON
  (cd "$where" && npm install --no-audit --no-fund --no-package-lock --ignore-scripts --loglevel error >/dev/null)
  status=0
  output=$(cd "$where" && timeout 60 node try.mjs "$where/files" 2>&1) || status=$?
  echo "webtorrent 2.8.5, uint8-util $version: exit code $status: $(grep -E 'ready|TypeError' <<<"$output" | head -n 1 | cut -c 1-100)"
  case $version in
    2.2.6) [ "$status" = 0 ] && grep -q 'torrent ready' <<<"$output" ;;
    2.3.2) [ "$status" = 1 ] && grep -q 'TypeError' <<<"$output" && grep -q 'arr2hex' <<<"$output" ;;
  esac || { echo "this has changed" >&2; exit 1; }
done
