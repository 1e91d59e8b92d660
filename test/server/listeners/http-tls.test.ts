import { mkdtempSync, rmSync } from 'node:fs'
import { connect as connectPlain } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readCertificate } from '../../../server/src/config/certificate.ts'
import {
  HANDSHAKES_PER_SOURCE,
  SOURCE_HANDSHAKE_MS,
} from '../../../server/src/listeners/http/limits.ts'
import type { HttpPlan } from '../../../server/src/listeners/http.ts'
import { certificateFiles, makeCertificate } from '../../certificate.ts'
import { HandClock, type Kit, kit, network, until } from '../kit.ts'
import { type Door, makeDoor } from './http.ts'

/** What strangers try at an HTTP door with TLS, by Node's own client. */

const folder = mkdtempSync(join(tmpdir(), 'oneknock-tls-'))
let secure: HttpPlan['secure']
beforeAll(() => {
  const files = certificateFiles(folder)
  makeCertificate(files)
  const certificate = readCertificate(files)
  if (!certificate.ok) throw new Error(certificate.error.message)
  secure = certificate.value.secure
})
afterAll(() => rmSync(folder, { recursive: true }))

let clock: HandClock
let door: Door
let k: Kit
beforeEach(() => {
  clock = new HandClock()
  k = kit({ host: { listensOnLoopback: true } })
})
afterEach(() => door.listener.stop())

async function open(trusted: readonly string[] = []): Promise<void> {
  const trustedProxies = trusted.map(network)
  door = await makeDoor({ secure, clock, settings: { trustedProxies } })
  await door.listener.start(k.gatekeeper.judge)
}

/** `undefined` if it was hung up on before it was safe to talk. */
function shake(from: string, version?: 'TLSv1.2'): Promise<TLSSocket | undefined> {
  const socket = connect({
    ...{ host: '127.0.0.1', port: door.port, localAddress: from, rejectUnauthorized: false },
    ...(version && { maxVersion: version }),
  })
  return new Promise(resolve => {
    socket.once('secureConnect', () => resolve(socket))
    socket.on('error', () => {})
    socket.once('close', () => resolve(undefined))
  })
}

/** How many of so many handshakes are answered, one after the other. */
async function answered(count: number, from: string): Promise<number> {
  let good = 0
  for (let i = 0; i < count; i++) {
    const socket = await shake(from)
    if (socket) good++
    socket?.destroy()
  }
  return good
}

describe('handshakes', () => {
  it('are so many of one source, and then as many as it earns', async () => {
    await open()
    expect(await answered(HANDSHAKES_PER_SOURCE + 2, '127.0.0.2')).toBe(HANDSHAKES_PER_SOURCE)
    expect(door.counts.get('dropped')).toBe(2)
    expect(await answered(1, '127.0.0.3')).toBe(1)
    clock.pass(2 * SOURCE_HANDSHAKE_MS)
    expect(await answered(3, '127.0.0.2')).toBe(2)
  })

  it('are not counted of a trusted proxy, who brings many', async () => {
    await open(['127.0.0.2'])
    const count = HANDSHAKES_PER_SOURCE + 2
    expect(await answered(count, '127.0.0.2')).toBe(count)
  })

  it('are none of those who say nothing, or something else', async () => {
    await open()
    for (const said of ['', 'alice:123456\n']) {
      for (let i = 0; i < HANDSHAKES_PER_SOURCE; i++) {
        await new Promise(resolve =>
          connectPlain({ host: '127.0.0.1', port: door.port, localAddress: '127.0.0.2' })
            .on('close', resolve)
            .on('error', () => {})
            .resume()
            .end(said),
        )
      }
    }
    expect(k.counters.read().refused).toBe(0)
    expect(await answered(1, '127.0.0.2')).toBe(1)
    await until(
      () => door.listener.connections,
      connections => connections === 0,
    )
  })

  it('are one for each connection: none is begun anew on it', async () => {
    await open()
    const socket = await shake('127.0.0.2', 'TLSv1.2')
    const again = new Promise<Error | null>(resolve => {
      socket!.on('error', resolve)
      socket!.on('close', () => resolve(new Error('hung up')))
      socket!.renegotiate({}, resolve)
    })
    expect(await again).toBeInstanceOf(Error)
  })
})

it('what comes with the hello, and in pieces, is heard', async () => {
  await open()
  const raw = connectPlain({ host: '127.0.0.1', port: door.port, localAddress: '127.0.0.2' })
  const write = raw.write.bind(raw)
  // Byte by byte: the first one alone must be enough to go on.
  raw.write = ((chunk: Buffer) => [...chunk].every(byte => write(Buffer.of(byte)))) as typeof write
  raw.setNoDelay(true)
  const socket = connect({ socket: raw, rejectUnauthorized: false })
  const heard = new Promise<string>(resolve => {
    let text = ''
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('close', () => resolve(text))
  })
  socket.write(`alice:${k.code().code}\n`)
  expect(await heard).toMatch(/^open: /)
})
