#!/usr/bin/env bash
# @libp2p/crypto 5.1.20 (js-libp2p 3, Node 20): the public ECDSA keys that it writes are no SubjectPublicKeyInfo, and one
# that is, it does not read.
#
# libp2p's specification of peer ids has ECDSA public keys as PKIX in DER. This library writes the structure of a private
# key (RFC 5915) without the private part, 87 bytes instead of 91; from the bytes of the specification it makes a
# TypeError. One would guess that the key of a peer is written and read in one form, since its id is the hash of it.
#
# Seen: "writes something else; of a SubjectPublicKeyInfo: TypeError". The script fails when that changes.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private": true, "type": "module"}' > package.json
npm install --silent --no-audit --no-fund @libp2p/crypto@5.1.20
cat > try.mjs <<'JS'
import { generateKeyPair, publicKeyFromProtobuf } from '@libp2p/crypto/keys'
import { createPublicKey, generateKeyPairSync } from 'node:crypto'

const own = (await generateKeyPair('ECDSA', 'P-256')).publicKey
let written = 'a SubjectPublicKeyInfo'
try {
  createPublicKey({ key: Buffer.from(own.raw), format: 'der', type: 'spki' })
} catch {
  written = 'something else'
}
const spki = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'der', type: 'spki' })
const key = Buffer.concat([Buffer.from([8, 3, 0x12, spki.length]), spki]) // kind 3, then the bytes
let read = 'a key'
try {
  publicKeyFromProtobuf(key)
} catch (error) {
  read = error.name
}
console.log(`writes ${written}; of a SubjectPublicKeyInfo: ${read}`)
JS
seen=$(node try.mjs)
echo "$seen"
[ "$seen" = "writes something else; of a SubjectPublicKeyInfo: TypeError" ]
