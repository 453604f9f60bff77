// A WebTorrent client that is told what to do in JSON, a command a line on standard input, an answer a line on standard output.
//
//   node child.mjs NODE_MODULES PORT
//
// Commands have an `id` and a `do`; what is known of a torrent is asked by its info-hash in hex.
import { pathToFileURL } from 'node:url'
import { createInterface } from 'node:readline'

const [modules, port] = process.argv.slice(2)
const { default: WebTorrent } = await import(pathToFileURL(`${modules}/webtorrent/index.js`))
const client = new WebTorrent({ dht: false, lsd: false, utp: false, natUpnp: false, natPmp: false, webSeeds: false, tracker: false, utPex: false, torrentPort: Number(port) })
const torrents = new Map()
client.on('error', error => { process.stderr.write(`${error.message}\n`); process.exit(1) })

const commands = {
  async add ({ info_hash, torrent, folder, peers, select }) {
    const source = torrent.startsWith('magnet:') ? torrent : Buffer.from(torrent, 'base64')
    const added = client.add(source, { path: folder, deselect: select.length > 0 })
    torrents.set(info_hash, added)
    for (const peer of peers) added.once('infoHash', () => added.addPeer(peer))
    if (select.length) added.once('ready', () => select.forEach(number => added.files[number].select()))
    return {}
  },
  async peer ({ info_hash, peer }) { return { added: torrents.get(info_hash).addPeer(peer) } },
  async status ({ info_hash }) {
    const torrent = torrents.get(info_hash)
    return {
      port: client.torrentPort,
      ready: torrent.ready,
      done: torrent.done,
      downloaded: torrent.downloaded,
      uploaded: torrent.uploaded,
      peers: torrent.numPeers,
      files: torrent.files.map(file => file.done)
    }
  },
  async port () { return { port: client.torrentPort } },
  async remove ({ info_hash }) { await new Promise(resolve => torrents.get(info_hash).destroy(resolve)); torrents.delete(info_hash); return {} }
}

createInterface({ input: process.stdin }).on('line', async line => {
  const { id, ...command } = JSON.parse(line)
  let answer
  try { answer = await commands[command.do](command) } catch (error) { answer = { error: String(error.message ?? error) } }
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`)
}).on('close', () => process.exit(0))
