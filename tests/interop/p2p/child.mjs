// A js-libp2p host that is told what to do in JSON, a command a line on standard input, an answer a line on standard output.
//
//   node child.mjs NODE_MODULES PORT
//
// It serves /test/echo, which sends back what comes, and /test/reset, which resets the stream after the first bytes.
import { createHash, randomBytes } from 'node:crypto'
import { createInterface } from 'node:readline'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'

Promise.withResolvers ??= function () {  // Node 20
  let resolve, reject
  const promise = new Promise((a, b) => { resolve = a; reject = b })
  return { promise, resolve, reject }
}
process.on('unhandledRejection', error => process.stderr.write(`${error}\n`))
process.on('uncaughtException', error => process.stderr.write(`${error}\n`))

const [modules, port] = process.argv.slice(2)
const require = createRequire(`${modules}/`)
const load = async name => await import(pathToFileURL(`${modules}/${name}/dist/src/index.js`))
const { createLibp2p } = await load('libp2p')
const { tcp } = await load('@libp2p/tcp')
const { noise } = await load('@chainsafe/libp2p-noise').catch(() => load('@libp2p/noise'))
const { yamux } = await load('@chainsafe/libp2p-yamux').catch(() => load('@libp2p/yamux'))
const { identify, identifyPush } = await load('@libp2p/identify')
const { ping } = await load('@libp2p/ping')
const { multiaddr } = await load('@multiformats/multiaddr')

const host = await createLibp2p({
  addresses: { listen: [`/ip4/127.0.0.1/tcp/${port}`] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
  connectionMonitor: { enabled: false },
  connectionManager: { inboundConnectionThreshold: 1000, maxIncomingPendingConnections: 1000 },
  services: { identify: identify(), push: identifyPush(), ping: ping() }
})
const limits = { maxInboundStreams: 1000, maxOutboundStreams: 1000 }
let heard = 0  // resets that other sides have sent
await host.handle('/test/echo/1.0.0', async stream => {
  try {
    for await (const chunk of stream) if (!stream.send(chunk)) await stream.onDrain()
    await stream.close()
  } catch (error) { heard++ }
}, limits)
await host.handle('/test/reset/1.0.0', async stream => {
  for await (const chunk of stream) { stream.abort(new Error('as asked')); break }
}, limits)

const echo = async (peer, size) => {
  const stream = await host.dialProtocol(peer, '/test/echo/1.0.0', { maxOutboundStreams: 1000 })
  const sent = createHash('sha256'), received = createHash('sha256')
  let bytes = 0
  const reading = (async () => { for await (const chunk of stream) { const data = chunk.subarray(); received.update(data); bytes += data.length } })()
  for (let left = size; left > 0;) {
    const chunk = randomBytes(Math.min(left, 65536))
    sent.update(chunk)
    left -= chunk.length
    if (!stream.send(chunk)) await stream.onDrain()
  }
  await stream.close()
  await reading
  return { bytes, same: sent.digest('hex') === received.digest('hex') }
}

const commands = {
  async addresses () { return { addresses: host.getMultiaddrs().map(String), peer_id: host.peerId.toString() } },
  async connect ({ address }) {
    const connection = await host.dial(multiaddr(address))
    return { peer_id: connection.remotePeer.toString() }
  },
  async ping ({ address }) { return { milliseconds: await host.services.ping.ping(multiaddr(address)) } },
  async known ({ peer_id }) {
    const peer = (await host.peerStore.all()).find(each => each.id.toString() === peer_id)
    return peer === undefined ? {} : {
      protocols: peer.protocols,
      addresses: peer.addresses.map(each => each.multiaddr.toString()),
      signed: peer.peerRecordEnvelope !== undefined,
      agent: new TextDecoder().decode(peer.metadata.get('AgentVersion'))
    }
  },
  async echo ({ address, size, streams }) {
    const all = await Promise.all(Array.from({ length: streams }, () => echo(multiaddr(address), size)))
    return { bytes: all.map(each => each.bytes), same: all.every(each => each.same) }
  },
  async reset ({ address }) {
    const stream = await host.dialProtocol(multiaddr(address), '/test/reset/1.0.0')
    stream.send(new Uint8Array([1]))
    try { for await (const _ of stream) { /* nothing comes */ } } catch (error) { return { error_name: error.name } }
    return { error_name: '' , status: stream.status }
  },
  async refused ({ address }) {
    try { await host.dialProtocol(multiaddr(address), '/test/unknown/1.0.0') } catch (error) { return { error_name: error.name } }
    return { error_name: '' }
  },
  async resets () { return { heard } },
  async handle ({ protocol }) { await host.handle(protocol, async stream => { await stream.close() }); return {} }
}

createInterface({ input: process.stdin }).on('line', async line => {
  const { id, ...command } = JSON.parse(line)
  let answer
  try { answer = await commands[command.do](command) } catch (error) { answer = { error: `${error.name}: ${error.message}` } }
  process.stdout.write(`${JSON.stringify({ id, ...answer })}\n`)
}).on('close', () => process.exit(0))
