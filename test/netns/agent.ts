/** Runs inside a namespace and does there what the test asks (lab.ts): listens, connects, speaks. */
import { createSocket, type Socket as Datagrams } from 'node:dgram'
import { once } from 'node:events'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { serve } from './rpc.ts'

type Protocol = 'tcp' | 'udp'

interface Talk {
  send(text: string): void
  /** Where the other side came from, as the service saw it, is part of what it echoes. */
  heard: string
  state: 'open' | 'reset' | 'ended'
  end(): void
}

/** What a socket's buffer surely holds, here and at who answers. */
const AT_ONCE = 50

const talks = new Map<number, Talk>()
const services = new Map<string, Server | Datagrams>()
const accepted = new Set<Socket>()
let recited = 0
const heardFrom = new WeakMap<Datagrams, Set<string>>()
let next = 0

serve({
  /** An echo service on all addresses, of both families. */
  async listen(protocol: Protocol, port: number): Promise<void> {
    const service = protocol === 'tcp' ? await echoTcp(port) : await echoUdp(port)
    services.set(`${protocol}/${port}`, service)
  },

  /** The UDP service speaks first, to everybody whom it ever heard. */
  async speak(port: number, text: string): Promise<void> {
    const service = services.get(`udp/${port}`) as Datagrams
    const sent = [...(heardFrom.get(service) ?? [])].map(peer => {
      const { address, port: peerPort } = JSON.parse(peer)
      return new Promise(done => service.send(text, peerPort, address, done))
    })
    await Promise.all(sent)
  },

  /** Every TCP service speaks, to all who are connected. */
  shout(text: string): void {
    for (const socket of accepted) socket.write(text)
  },

  /** A service that never stops sending to whoever came, whether they say anything or not. */
  async recite(protocol: Protocol, port: number): Promise<void> {
    services.set(
      `${protocol}/${port}`,
      protocol === 'tcp' ? await reciteTcp(port) : await reciteUdp(port),
    )
  },

  /** How often the services here have sent. */
  recited: (): number => recited,

  /** How much has come from the other side. */
  heard: (id: number): number => talks.get(id)!.heard.length,

  /** Whether a text comes without having been asked for. */
  hears: (id: number, text: string, limitMs: number): Promise<boolean> =>
    within(limitMs, () => talks.get(id)!.heard.includes(text)),

  /** Ends all services and all connections. */
  async rest(): Promise<void> {
    const closing = [...services.values()].map(service => once(service, 'close'))
    for (const service of services.values()) service.close()
    for (const socket of accepted) socket.destroy()
    for (const talk of talks.values()) talk.end()
    services.clear()
    talks.clear()
    await Promise.all(closing)
  },

  /** How many connections the services here have now. */
  connections: (): number => accepted.size,

  /** The number of a connection, or why there is none. */
  async connect(options: ConnectOptions): Promise<number | 'silent' | 'refused' | 'unreachable'> {
    const talk = options.protocol === 'tcp' ? await connectTcp(options) : await connectUdp(options)
    if (typeof talk === 'string') return talk
    talks.set(next, talk)
    return next++
  },

  /** Whether a text comes back within the limit. */
  async echo(id: number, text: string, limitMs: number): Promise<boolean> {
    const talk = talks.get(id)!
    talk.heard = ''
    talk.send(text)
    return within(limitMs, () => talk.heard.includes(text))
  },

  state: (id: number): string => talks.get(id)!.state,

  end(id: number): void {
    talks.get(id)!.end()
    talks.delete(id)
  },

  /** Datagrams of these sizes from one socket, in bursts that a socket can hold; resolves with how many answers came within the limit. */
  async spray(options: SprayOptions): Promise<number> {
    const socket = createSocket(options.address.includes(':') ? 'udp6' : 'udp4')
    socket.bind()
    await once(socket, 'listening')
    socket.setBroadcast(true)
    let answers = 0
    socket.on('message', () => answers++).on('error', () => {})
    for (let sent = 0; sent < options.sizes.length; sent += AT_ONCE) {
      const sizes = options.sizes.slice(sent, sent + AT_ONCE)
      const sending = sizes.map(
        size =>
          new Promise(resolve =>
            socket.send(Buffer.alloc(size, 'k'), options.port, options.address, resolve),
          ),
      )
      await Promise.all(sending)
    }
    await within(options.limitMs, () => answers >= options.sizes.length)
    socket.close()
    return answers
  },
})

interface ConnectOptions {
  readonly protocol: Protocol
  readonly address: string
  readonly port: number
  readonly localPort?: number
  readonly first?: string
  readonly limitMs: number
}

interface SprayOptions {
  readonly address: string
  readonly port: number
  readonly sizes: readonly number[]
  readonly limitMs: number
}

async function echoTcp(port: number): Promise<Server> {
  const server = createServer({ allowHalfOpen: false }, socket => {
    accepted.add(socket)
    socket.on('error', () => {}).on('close', () => accepted.delete(socket))
    socket.pipe(socket)
  })
  server.listen(port, '::')
  await once(server, 'listening')
  return server
}

async function echoUdp(port: number): Promise<Datagrams> {
  const socket = createSocket('udp6')
  const peers = new Set<string>()
  heardFrom.set(socket, peers)
  socket.on('message', (_, { address, port }) => peers.add(JSON.stringify({ address, port })))
  socket.on('message', (bytes, { port: peerPort, address }) =>
    socket.send(bytes, peerPort, address),
  )
  socket.bind(port, '::')
  await once(socket, 'listening')
  return socket
}

const RECITE_EVERY_MS = 5
const VERSE = 'and on and on '.repeat(10)

async function reciteTcp(port: number): Promise<Server> {
  const server = await echoTcp(port)
  server.on('connection', socket => reciteUntilClosed(socket, () => socket.write(VERSE)))
  return server
}

async function reciteUdp(port: number): Promise<Datagrams> {
  const service = await echoUdp(port)
  reciteUntilClosed(service, () => {
    for (const peer of heardFrom.get(service)!) {
      const { address, port: peerPort } = JSON.parse(peer)
      // One that may not be sent to any more is told so by an error.
      service.send(VERSE, peerPort, address, () => {})
    }
  })
  return service
}

function reciteUntilClosed(what: NodeJS.EventEmitter, send: () => void): void {
  const timer = setInterval(() => {
    recited++
    send()
  }, RECITE_EVERY_MS)
  what.once('close', () => clearInterval(timer))
}

async function connectTcp(
  options: ConnectOptions,
): Promise<Talk | 'silent' | 'refused' | 'unreachable'> {
  const { address, port, localPort, limitMs } = options
  const socket = connect({ host: address, port, ...(localPort ? { localPort } : {}) })
  const outcome = await Promise.race([
    once(socket, 'connect').then(() => 'open' as const, refusal),
    after(limitMs).then(() => 'silent' as const),
  ])
  if (outcome !== 'open') {
    socket.on('error', () => {}).destroy()
    return outcome
  }
  socket.setNoDelay()
  const talk: Talk = {
    send: text => socket.write(text),
    heard: '',
    state: 'open',
    end: () => socket.destroy(),
  }
  socket
    .on('data', chunk => {
      talk.heard += chunk
    })
    .on('error', () => {
      talk.state = 'reset'
    })
    .on('close', () => {
      if (talk.state === 'open') talk.state = 'ended'
    })
  return talk
}

/** UDP has no connections: one is there if the service answers. */
async function connectUdp(
  options: ConnectOptions,
): Promise<Talk | 'silent' | 'refused' | 'unreachable'> {
  const { address, port, localPort, first = 'anybody there?', limitMs } = options
  const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
  let error: ReturnType<typeof refusal> | undefined
  const talk: Talk = {
    send: text => socket.send(text),
    heard: '',
    state: 'open',
    end: () => socket.close(),
  }
  socket
    .on('message', bytes => {
      talk.heard += bytes
    })
    .on('error', cause => {
      error = refusal(cause)
      talk.state = 'reset'
    })
  if (localPort) {
    socket.bind(localPort)
    await once(socket, 'listening')
  }
  socket.connect(port, address)
  await once(socket, 'connect')
  talk.send(first)
  if (await within(limitMs, () => talk.heard !== '' || error !== undefined)) {
    if (!error) return talk
  }
  socket.close()
  return error ?? 'silent'
}

const refusal = (error: unknown): 'refused' | 'unreachable' =>
  (error as NodeJS.ErrnoException).code === 'ECONNREFUSED' ? 'refused' : 'unreachable'

const after = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

async function within(limitMs: number, condition: () => boolean): Promise<boolean> {
  for (const end = performance.now() + limitMs; !condition(); await after(2)) {
    if (performance.now() > end) return false
  }
  return true
}
