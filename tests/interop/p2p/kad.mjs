// A server of js-libp2p's DHT that is told what to do in JSON, a command a line on standard input, an answer a line on standard output.
//
//   node kad.mjs NODE_MODULES PORT
//
// Values under /v are whatever they are; the last one put counts.
import { createInterface } from 'node:readline'
import { pathToFileURL } from 'node:url'

Promise.withResolvers ??= function () {  // Node 20
  let resolve, reject
  const promise = new Promise((a, b) => { resolve = a; reject = b })
  return { promise, resolve, reject }
}
process.on('unhandledRejection', error => process.stderr.write(`${error}\n`))
process.on('uncaughtException', error => process.stderr.write(`${error}\n`))

const [modules, port] = process.argv.slice(2)
const load = async (name, file = 'index') => await import(pathToFileURL(`${modules}/${name}/dist/src/${file}.js`))
const { createLibp2p } = await load('libp2p')
const { tcp } = await load('@libp2p/tcp')
const { noise } = await load('@libp2p/noise')
const { yamux } = await load('@libp2p/yamux')
const { identify, identifyPush } = await load('@libp2p/identify')
const { ping } = await load('@libp2p/ping')
const { kadDHT, passthroughMapper } = await load('@libp2p/kad-dht')
const { multiaddr } = await load('@multiformats/multiaddr')
const { peerIdFromString } = await load('@libp2p/peer-id')
const { CID } = await load('multiformats', 'cid')

const host = await createLibp2p({
  addresses: { listen: [`/ip4/127.0.0.1/tcp/${port}`] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionMonitor: { enabled: false },
  connectionManager: { inboundConnectionThreshold: 1000, maxIncomingPendingConnections: 1000 },
  services: {
    identify: identify(),
    push: identifyPush(),
    ping: ping(),
    dht: kadDHT({ clientMode: false, peerInfoMapper: passthroughMapper, validators: { v: async () => {} }, selectors: { v: () => 0 } })
  }
})
const { dht } = host.services
const bytes = text => new Uint8Array(Buffer.from(text, 'hex'))
const hex = data => Buffer.from(data).toString('hex')
const within = () => ({ signal: AbortSignal.timeout(20_000) })

const commands = {
  async addresses () { return { addresses: host.getMultiaddrs().map(String), peer_id: host.peerId.toString() } },
  async connect ({ address }) { await host.dial(multiaddr(address)); return {} },
  async table () { return { peers: dht.routingTable.kb === undefined ? [] : [...dht.routingTable.kb.toIterable()].map(each => each.peerId.toString()) } },
  async provide ({ cid }) { await host.contentRouting.provide(CID.parse(cid), within()); return {} },
  async find_providers ({ cid }) {
    const found = {}
    for await (const peer of host.contentRouting.findProviders(CID.parse(cid), within())) found[peer.id.toString()] = peer.multiaddrs.map(String)
    return { found }
  },
  async put ({ key, value }) { await host.contentRouting.put(bytes(key), bytes(value), within()); return {} },
  async get ({ key }) { return { value: hex(await host.contentRouting.get(bytes(key), within())) } },
  async find_peer ({ peer_id }) { return { addresses: (await host.peerRouting.findPeer(peerIdFromString(peer_id), within())).multiaddrs.map(String) } }
}

createInterface({ input: process.stdin }).on('line', async line => {
  const { id, ...command } = JSON.parse(line)
  let answer
  try { answer = await commands[command.do](command) } catch (error) { answer = { error: `${error.name}: ${error.message}` } }
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`)
}).on('close', () => process.exit(0))
