import { spawn, spawnSync } from 'node:child_process'
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { afterEach, describe, expect, it } from 'vitest'
import {
  type Address,
  deriveKeys,
  formatInvitation,
  type Knock,
  type Reply,
  sealReply,
  tagOf,
  toHex,
} from '../../shared/src/index.ts'
import { readPacket } from './reference.ts'

/** The client that was written from SPEC.md alone meets the code that SPEC.md was written beside. */

const SCRIPT = new URL('../vectors/client.py', import.meta.url).pathname
const KEY = Uint8Array.from({ length: 32 }, (_, i) => 200 + i)
const keys = deriveKeys(KEY)

interface Received {
  readonly datagram: Uint8Array
  readonly knock: Knock
}

/** What to send back for the packets so far; the last of them has just come in. */
type Script = (received: readonly Received[]) => readonly Uint8Array[]

const sockets: Socket[] = []
afterEach(() => {
  for (const socket of sockets.splice(0)) socket.close()
})

async function serve(script: Script): Promise<{ port: number; received: readonly Received[] }> {
  const socket = createSocket('udp4')
  sockets.push(socket)
  const received: Received[] = []
  socket.on('message', (datagram: Buffer, from: RemoteInfo) => {
    const clockMs = Date.now()
    const moment = { devices: [keys], clockMs, windowMs: 120_000, floorMs: 0, seen: [] }
    const read = readPacket(datagram, moment)
    if (read.stage !== null) throw new Error(`a packet that is refused: ${read.stage}`)
    received.push({ datagram, knock: read.knock })
    for (const answer of script(received)) socket.send(answer, from.port, from.address)
  })
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  return { port: socket.address().port, received }
}

const REPLY: Reply = {
  status: 'opened',
  reason: 'none',
  prefix: 128,
  lifetime: 30,
  serverMs: 1_767_225_600_163,
  address: '127.0.0.1' as Address,
  grant: 'a1a2a3a4a5a6a7a8',
  detail: 'ssh wiki',
}
let nonces = 0

function answer({ datagram }: Received, changes: Partial<Reply> = {}): Uint8Array {
  const sealed = sealReply(keys, new Uint8Array(24).fill(nonces++), tagOf(datagram), {
    ...REPLY,
    ...changes,
  })
  if (!sealed.ok) throw new Error(sealed.error.field)
  return sealed.value
}

const invite = (port: number) =>
  formatInvitation({
    host: '127.0.0.1',
    port,
    name: 'home',
    user: 'alice',
    device: 'laptop',
    key: KEY,
    services: [],
  })

interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

async function run(input: string, ...args: readonly string[]): Promise<Ended> {
  const child = spawn('python3', [SCRIPT, ...args])
  let stdout = ''
  let stderr = ''
  child.stdout.on('data', data => {
    stdout += data
  })
  child.stderr.on('data', data => {
    stderr += data
  })
  child.stdin.end(input)
  const [status] = await once(child, 'close')
  return { status, stdout, stderr }
}

const isMissing = spawnSync('python3', ['--version']).status !== 0

describe.skipIf(isMissing && !process.env.CI)('client.py (needs python3)', () => {
  it('knocks, is answered, and prints the reply', async () => {
    const { port, received } = await serve(all => [answer(all.at(-1)!)])
    const ended = await run(`${invite(port)}\n123 456\n`, 'ssh', 'wiki', '--lifetime', '60')
    expect(ended.stderr).toBe('')
    expect(JSON.parse(ended.stdout)).toEqual({
      status: 'opened',
      reason: 'none',
      prefix: 128,
      lifetime_s: 30,
      server_ms: REPLY.serverMs,
      address: '127.0.0.1',
      grant: REPLY.grant,
      detail: 'ssh wiki',
    })
    expect(ended.status).toBe(0)
    expect(received).toHaveLength(1)
    expect(received[0]!.knock).toMatchObject({
      verb: 'open',
      factor: { kind: 'totp', code: '123456' },
      lifetime: 60,
      address: '127.0.0.1',
      prefix: 128,
      services: ['ssh', 'wiki'],
    })
  })

  it('sends again what is lost: another packet of the same knock', async () => {
    const { port, received } = await serve(all => (all.length < 3 ? [] : [answer(all[0]!)]))
    const ended = await run(`${invite(port)}\n123456\n`)
    expect(ended.status).toBe(0)
    expect(received).toHaveLength(3)
    const distinct = (values: readonly unknown[]) => new Set(values).size
    expect(distinct(received.map(({ datagram }) => toHex(datagram, 8, 32)))).toBe(3)
    expect(distinct(received.map(({ knock }) => knock.sentAt))).toBe(3)
    const others = received.map(({ knock }) => JSON.stringify({ ...knock, sentAt: 0 }))
    expect(distinct(others)).toBe(1)
  })

  it('hears no reply in junk, in a reply with a wrong bit, or in one to another packet', async () => {
    const { port } = await serve(all => {
      const right = answer(all.at(-1)!)
      const flipped = right.slice()
      flipped[100]! ^= 1
      const { knock } = all.at(-1)!
      const other = answer({ knock, datagram: new Uint8Array(256) }, { detail: 'forged' })
      const malformed = right.subarray(0, 127)
      return [new Uint8Array(128), flipped, other, malformed, new Uint8Array(), right]
    })
    const ended = await run(`${invite(port)}\n123456\n`)
    expect(JSON.parse(ended.stdout).detail).toBe('ssh wiki')
    expect(ended.status).toBe(0)
  })

  it('says why it was refused', async () => {
    const { port } = await serve(all => [
      answer(all.at(-1)!, { status: 'refused', reason: 'factor-used', lifetime: 0 }),
    ])
    const ended = await run(`${invite(port)}\n123456\n`)
    expect(JSON.parse(ended.stdout)).toMatchObject({ status: 'refused', reason: 'factor-used' })
    expect(ended.stderr).toContain('used before')
    expect(ended.status).toBe(4)
  })

  it('asks again while it is pending, with the same knock', async () => {
    const { port, received } = await serve(all => [
      answer(all.at(-1)!, all.length === 1 ? { status: 'pending', lifetime: 0 } : {}),
    ])
    const ended = await run(`${invite(port)}\n123456\n`)
    expect(JSON.parse(ended.stdout).status).toBe('opened')
    expect(ended.status).toBe(0)
    expect(received).toHaveLength(2)
    expect(received[1]!.knock.knockId).toBe(received[0]!.knock.knockId)
  })

  it('is told that it still is pending when its patience ends', async () => {
    const { port } = await serve(all => [answer(all.at(-1)!, { status: 'pending' })])
    const ended = await run(`${invite(port)}\n123456\n`, '--patience', '0')
    expect(JSON.parse(ended.stdout).status).toBe('pending')
    expect(ended.status).toBe(5)
  })

  it('closes without a code', async () => {
    const { port, received } = await serve(all => [answer(all.at(-1)!, { status: 'closed' })])
    const ended = await run(`${invite(port)}\n`, '--close')
    expect(ended.status).toBe(0)
    expect(received[0]!.knock).toMatchObject({ verb: 'close', factor: { kind: 'none', code: '' } })
  })

  it('gives up on silence, and names the clock first', async () => {
    const { port } = await serve(() => [])
    const ended = await run(`${invite(port)}\n123456\n`, '--give-up', '0.1')
    expect(ended).toMatchObject({ status: 3, stdout: '' })
    expect(ended.stderr).toMatch(/^client\.py: no reply: is this machine's clock right/)
  })

  it.each([
    ['a key that is too short', (text: string) => text.replace(/key=../, 'key=')],
    ['a key that is not canonical', (text: string) => text.replace(/.&services/, '_&services')],
    ['two users', (text: string) => text.replace('user=', 'user=mallory&user=')],
    ['another scheme', (text: string) => text.replace('oneknock:', 'http:')],
    ['a name before the host', (text: string) => text.replace('//', '//gate.example.com@')],
    ['nothing', () => ''],
  ])('refuses an invitation with %s, and keeps it to itself', async (_what, spoil) => {
    const invitation = spoil(invite(62201))
    const { status, stdout, stderr } = await run(`${invitation}\n123456\n`)
    expect(status).toBe(2)
    expect(stdout).toBe('')
    expect(stderr).toMatch(/^client\.py: the invitation[^\n]*\n$/)
    expect(stderr).not.toContain(invitation.slice(-60, -20) || 'key=')
  })
})
