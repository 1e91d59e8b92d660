import { spawnSync } from 'node:child_process'
import { createSocket, Socket } from 'node:dgram'
import { deriveKeys, openReply, tagOf } from '@oneknock/shared'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { RESCAN_MS, type UdpNote } from '../../../server/src/listeners/sockets.ts'
import { udpListener } from '../../../server/src/listeners/udp.ts'
import { type Address, familyOf } from '../../../shared/src/index.ts'
import { addr, barrier, kit, service, until } from '../kit.ts'
import { listenersTakePackets, type Way } from './conformance.ts'
import { Inbox } from './inbox.ts'

const typeOf = (host: string) => (familyOf(addr(host)) === 4 ? 'udp4' : 'udp6')

const sockets: Socket[] = []

function socket(host: string): Socket {
  const made = createSocket(typeOf(host))
  sockets.push(made)
  return made
}

const bound = (one: Socket, port: number, host: string) =>
  new Promise<void>((resolve, reject) => {
    one.once('error', reject)
    one.bind(port, host, resolve)
  })

/** A port that nobody has on that address just now. */
async function freePort(host: string): Promise<number> {
  const probe = createSocket(typeOf(host))
  await bound(probe, 0, host)
  const { port } = probe.address()
  await new Promise<void>(resolve => probe.close(() => resolve()))
  return port
}

interface Answer {
  readonly reply: Uint8Array
  readonly from: string
}

function client(host: string, port: number) {
  const inbox = new Inbox<Answer>()
  const own = socket(host)
  own.on('message', (reply, { address }) => inbox.put({ reply, from: address }))
  return {
    inbox,
    send: (datagram: Uint8Array, to = host) => own.send(datagram, port, to),
  }
}

afterEach(() => {
  for (const one of sockets.splice(0)) one.close()
})

function over(host: string): () => Promise<Way> {
  return async () => {
    const port = await freePort(host)
    const listener = udpListener({
      endpoints: [{ host, port }],
      ownAddresses: () => [],
      report: () => {},
    })
    const { inbox, send } = client(host, port)
    return {
      listener,
      send,
      next: async () => (await inbox.next()).reply,
      rest: () => inbox.rest().map(({ reply }) => reply),
      close: () => {},
    }
  }
}

describe('the UDP listener over IPv4', () => {
  listenersTakePackets(over('127.0.0.1'))
})

describe('the UDP listener over IPv6', () => {
  listenersTakePackets(over('::1'))
})

describe('the UDP listener', () => {
  let stop: (() => Promise<void>) | undefined

  afterEach(async () => {
    await stop?.()
    stop = undefined
  })

  const services = [service('ssh', { factor: 'none' }), service('wiki')]

  function listening(hosts: readonly string[], port: number, own: () => readonly Address[]) {
    const k = kit({ services, host: { listensOnLoopback: true } })
    const notes: UdpNote[] = []
    const listener = udpListener({
      endpoints: hosts.map(host => ({ host, port })),
      ownAddresses: own,
      report: note => notes.push(note),
    })
    stop = () => listener.stop()
    const addresses = (kind: 'bound' | 'gone') =>
      notes.flatMap(note => (note.note === kind ? [note.address] : []))
    return { k, listener, notes, addresses }
  }

  it('answers from the address that was asked', async () => {
    const port = await freePort('0.0.0.0')
    const own = ['127.0.0.2', '127.0.0.3', '127.0.0.4'].map(addr)
    const { k, listener } = listening(['0.0.0.0'], port, () => own)
    await listener.start(k.gatekeeper.judge)
    const { inbox, send } = client('127.0.0.1', port)
    for (const to of own) {
      const { datagram, by } = k.packet()
      send(datagram, to)
      const { reply, from } = await inbox.next()
      expect(from).toBe(to)
      expect(openReply(deriveKeys(by.key), tagOf(datagram), reply).ok).toBe(true)
    }
  })

  it('stands for both families with ::, for one with 0.0.0.0, and never for link-local addresses', async () => {
    const port = await freePort('::')
    const own = ['127.0.0.2', '::1', 'fe80::1'].map(addr)
    const both = listening(['::'], port, () => own)
    await both.listener.start(both.k.gatekeeper.judge)
    expect(both.addresses('bound')).toEqual(['127.0.0.2', '::1'])
    await stop?.()
    const one = listening(['0.0.0.0'], port, () => own)
    await one.listener.start(one.k.gatekeeper.judge)
    expect(one.addresses('bound')).toEqual(['127.0.0.2'])
  })

  it('follows the addresses that come and go', async () => {
    const port = await freePort('0.0.0.0')
    let own = [addr('127.0.0.2')]
    const { k, listener, addresses } = listening(['0.0.0.0'], port, () => own)
    await listener.start(k.gatekeeper.judge)
    own = [addr('127.0.0.3')]
    await until(
      () => [addresses('bound'), addresses('gone')],
      ([, gone]) => gone!.length > 0,
      RESCAN_MS * 5,
    )
    expect(addresses('bound')).toEqual(['127.0.0.2', '127.0.0.3'])
    expect(addresses('gone')).toEqual(['127.0.0.2'])
  })

  it('is kept from no address by another that it cannot have, and says so once', async () => {
    const port = await freePort('0.0.0.0')
    await bound(socket('127.0.0.3'), port, '127.0.0.3')
    let own = [addr('127.0.0.2')]
    const { k, listener, addresses, notes } = listening(['0.0.0.0'], port, () => own)
    await listener.start(k.gatekeeper.judge)
    own = ['127.0.0.2', '127.0.0.3', '127.0.0.4'].map(addr)
    await until(
      () => addresses('bound'),
      places => places.includes(addr('127.0.0.4')),
      RESCAN_MS * 5,
    )
    own = [...own, addr('127.0.0.5')]
    await until(
      () => addresses('bound'),
      places => places.includes(addr('127.0.0.5')),
      RESCAN_MS * 5,
    )
    expect(notes.filter(({ note }) => note === 'rescan-failed')).toHaveLength(1)
    expect(addresses('gone')).toEqual([])
  })

  it('does not start on a port that is taken, and leaves nothing behind', async () => {
    const port = await freePort('127.0.0.2')
    await bound(socket('127.0.0.3'), port, '127.0.0.3')
    const { k, listener } = listening(['127.0.0.2', '127.0.0.3'], port, () => [])
    await expect(listener.start(k.gatekeeper.judge)).rejects.toMatchObject({
      code: 'in-use',
      message: expect.stringContaining(`127.0.0.3:${port}`),
    })
    await bound(socket('127.0.0.2'), port, '127.0.0.2')
  })

  it('does not start on an address that the host does not have', async () => {
    const { k, listener } = listening(['192.0.2.1'], 62201, () => [])
    await expect(listener.start(k.gatekeeper.judge)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('no such address'),
    })
  })

  it('moves elsewhere without losing what stays, or not at all', async () => {
    const port = await freePort('127.0.0.2')
    await bound(socket('127.0.0.4'), port, '127.0.0.4')
    const { k, listener, addresses } = listening(['127.0.0.2', '127.0.0.3'], port, () => [])
    await listener.start(k.gatekeeper.judge)
    await listener.listen([
      { host: '127.0.0.3', port },
      { host: '127.0.0.5', port },
    ])
    expect(addresses('gone')).toEqual(['127.0.0.2'])
    const taken = [{ host: '127.0.0.4', port }]
    await expect(listener.listen(taken)).rejects.toMatchObject({ code: 'in-use' })
    expect(addresses('bound')).toEqual(['127.0.0.2', '127.0.0.3', '127.0.0.5'])
    expect(addresses('gone')).toEqual(['127.0.0.2'])
    const { inbox, send } = client('127.0.0.1', port)
    send(k.packet().datagram, '127.0.0.3')
    expect((await inbox.next()).from).toBe('127.0.0.3')
  })

  it('listens again on a socket that broke', async () => {
    const port = await freePort('127.0.0.2')
    const { k, listener, addresses } = listening(['127.0.0.2'], port, () => [])
    const bind = vi.spyOn(Socket.prototype, 'bind')
    await listener.start(k.gatekeeper.judge)
    const [its] = bind.mock.contexts as Socket[]
    bind.mockRestore()
    its!.emit('error', new Error('broken'))
    await until(
      () => addresses('bound'),
      places => places.length === 2,
      RESCAN_MS * 5,
    )
  })

  const canForge = process.getuid?.() === 0 && spawnSync('python3', ['-V']).status === 0

  it.skipIf(!canForge && process.env.CI !== 'true')(
    'survives a good packet from port 0, which nobody can be answered at (needs root and python3)',
    async () => {
      const port = await freePort('127.0.0.2')
      const { k, listener } = listening(['127.0.0.2'], port, () => [])
      const judged = barrier()
      await listener.start(attempt => {
        const verdict = k.gatekeeper.judge(attempt)
        void Promise.resolve(verdict).then(judged.open)
        return verdict
      })
      forge(k.packet().datagram, port)
      await judged.wait
      expect(k.counters.read().opened).toBe(1)
      const { inbox, send } = client('127.0.0.1', port)
      send(k.packet().datagram, '127.0.0.2')
      await inbox.next()
    },
  )

  function forge(datagram: Uint8Array, port: number): void {
    const script = [
      'import socket, struct, sys',
      'body = sys.stdin.buffer.read()',
      's = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)',
      's.bind(("127.0.0.1", 0))',
      's.sendto(struct.pack("!HHHH", 0, int(sys.argv[1]), 8 + len(body), 0) + body, ("127.0.0.2", 0))',
    ].join('\n')
    const { status, stderr } = spawnSync('python3', ['-c', script, `${port}`], { input: datagram })
    if (status !== 0) throw new Error(`${stderr}`)
  }
})
