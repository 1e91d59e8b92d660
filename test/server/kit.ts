import {
  type Address,
  ANY,
  deriveKeys,
  type Knock,
  maskNetwork,
  NO_FACTOR,
  openReply,
  parseAddress,
  type Reply,
  sealKnock,
  tagOf,
  totpCode,
  totpStep,
} from '@oneknock/shared'
import type { Question } from '../../server/src/approving.ts'
import type { Clock } from '../../server/src/core/clock.ts'
import type { Device, Directory, Service, User } from '../../server/src/core/directory.ts'
import type { Event } from '../../server/src/core/events.ts'
import { Keyring } from '../../server/src/core/keyring.ts'
import type { Host } from '../../server/src/core/policy.ts'
import { letGo, type Recorded } from '../../server/src/core/recorded.ts'
import { State } from '../../server/src/core/state.ts'
import { Counters } from '../../server/src/counters.ts'
import { Doors, type Fault } from '../../server/src/doors.ts'
import { Gatekeeper, type Record } from '../../server/src/gatekeeper.ts'
import { MemoryHook } from '../../server/src/hooks/memory.ts'
import type { Validate } from '../../server/src/validating.ts'

export const NOON = Date.UTC(2026, 10, 21, 12)
export const FRESHNESS_MS = 120_000

/** A clock that a test moves. */
export class HandClock implements Clock {
  wall = NOON
  mono = 1_000_000

  now(): number {
    return this.wall
  }

  monotonic(): number {
    return this.mono
  }

  pass(ms: number): void {
    this.wall += ms
    this.mono += ms
  }
}

export const addr = (text: string): Address => parseAddress(text)!

let randoms = 0

/** Bytes that differ each time and are the same in each run. */
function countingRandom(): (bytes: number) => Uint8Array {
  return bytes => {
    const count = ++randoms
    return Uint8Array.from({ length: bytes }, (_, i) => (count * 31 + i * 7 + (count >> 8)) & 0xff)
  }
}

export const SECRET = new TextEncoder().encode('12345678901234567890')

export const device = (user: string, label: string, seed: number): Device => ({
  user,
  label,
  id: `${user}/${label}`,
  key: new Uint8Array(32).fill(seed),
  enrolledAt: NOON - 3600_000,
})

export const service = (name: string, changes: Partial<Service> = {}): Service => ({
  name,
  ports: [{ protocol: 'tcp', port: 22 }],
  lifetime: 30,
  maxLifetime: 3600,
  maxPrefix: { ipv4: 128, ipv6: 128 },
  factor: 'required',
  requireAddress: false,
  behindProxy: false,
  onExpiry: 'keep',
  destination: [],
  gate: undefined,
  exec: undefined,
  ...changes,
})

export const user = (name: string, seed: number, changes: Partial<User> = {}): User => ({
  name,
  services: ['ssh', 'wiki'],
  devices: [device(name, 'laptop', seed), device(name, 'phone', seed + 100)],
  totp: { id: `secret-of-${name}`, secret: SECRET },
  recovery: [],
  otherAddress: false,
  locked: false,
  ...changes,
})

export interface KitOptions {
  readonly services?: readonly Service[]
  readonly users?: readonly User[]
  readonly host?: Partial<Host>
  readonly hookLimitMs?: number
  readonly clock?: HandClock
  readonly hook?: MemoryHook
  readonly validate?: Validate
  /** Lines of an earlier life: what is read back at a start. */
  readonly ledger?: readonly { readonly event: Event; readonly at: number }[]
}

export type Kit = ReturnType<typeof kit>

/** A whole gatekeeper in memory: real core, in-memory hook, ledger lines in an array. */
export function kit(options: KitOptions = {}) {
  const clock = options.clock ?? new HandClock()
  const services = options.services ?? [service('ssh'), service('wiki', { lifetime: 600 })]
  let directory: Directory = toDirectory(services, options.users ?? [user('alice', 1)])
  const keyring = new Keyring(FRESHNESS_MS)
  keyring.assign([...directory.users.values()].flatMap(({ devices }) => devices))
  while (keyring.hints.prepare(clock.now(), 1000));
  const state = new State(clock, FRESHNESS_MS)
  for (const { event, at } of options.ledger ?? []) state.apply(event, at)

  const names = services.map(({ name }) => name)
  const hook = options.hook ?? new MemoryHook(names, clock)
  const lines: { event: Event; at: number }[] = [...(options.ledger ?? [])]
  const disk = { works: true, refusals: true, gate: Promise.resolve() }
  const faults: Fault[] = []
  const doors = new Doors({
    hooksOf: () => [hook],
    report: fault => faults.push(fault),
    limitMs: options.hookLimitMs ?? 1000,
  })
  const counters = new Counters()
  const questions: Question[] = []
  /** What stands for mail and push: a test lets it fail. */
  const post = { works: true }
  /** In the order of the calls, as the ledger does it. */
  const record: Record = async (event, { refusal = false } = {}) => {
    const at = clock.now()
    await disk.gate
    const durable = disk.works && (disk.refusals || !refusal)
    if (durable) lines.push({ event, at })
    return durable
  }
  const gatekeeper = new Gatekeeper({
    clock,
    random: countingRandom(),
    keyring,
    state,
    directory: () => directory,
    host: { isOwn: () => false, listensOnLoopback: false, ...options.host },
    record,
    doors,
    counters,
    ask: async question => {
      if (!post.works) throw new Error('the post does not work')
      questions.push(question)
    },
    freshnessMs: FRESHNESS_MS,
    ...(options.validate && { validate: options.validate }),
  })
  return {
    clock,
    keyring,
    state,
    hook,
    lines,
    disk,
    record,
    faults,
    questions,
    post,
    doors,
    counters,
    gatekeeper,
    setDirectory: (users: readonly User[], now: readonly Service[] = services) => {
      directory = toDirectory(now, users)
      keyring.assign(users.flatMap(({ devices }) => devices))
    },
    open: async () =>
      (await hook.list()).map(({ service, network }) => `${service} ${network.address}`),
    packet: (changes: Partial<Knock> = {}, by = directory.users.get('alice')!.devices[0]!) =>
      packet(clock, changes, by),
    async send(sent: Sent, source = '203.0.113.7'): Promise<Reply | 'silence'> {
      const verdict = await gatekeeper.judge({ datagram: sent.datagram, source })
      if (verdict.kind === 'silence' || !verdict.reply) return 'silence'
      const reply = openReply(deriveKeys(sent.by.key), tagOf(sent.datagram), verdict.reply)
      if (!reply.ok) throw new Error(`the reply does not open: ${reply.error.code}`)
      return reply.value
    },
    code: (steps = 0) => ({
      kind: 'totp' as const,
      code: totpCode(SECRET, totpStep(clock.now()) + steps),
    }),
  }
}

export const toDirectory = (services: readonly Service[], users: readonly User[]): Directory => ({
  services: new Map(services.map(one => [one.name, one])),
  users: new Map(users.map(one => [one.name, one])),
})

export interface Sent {
  readonly datagram: Uint8Array
  readonly by: Device
}

let packets = 0

/** A good packet from that device, unless the changes say otherwise; every one has its own knock id. */
export function packet(clock: Clock, changes: Partial<Knock>, by: Device): Sent {
  packets++
  const knock: Knock = {
    verb: 'open',
    factor: NO_FACTOR,
    lifetime: 0,
    sentAt: clock.now(),
    knockId: packets.toString(16).padStart(16, '0'),
    address: ANY,
    prefix: 128,
    services: ['ssh'],
    ...changes,
  }
  const nonce = new Uint8Array(24)
  new DataView(nonce.buffer).setUint32(0, packets)
  const sealed = sealKnock(deriveKeys(by.key), nonce, knock)
  if (!sealed.ok) throw new Error(`no such packet: ${sealed.error.field}`)
  return { datagram: sealed.value, by }
}

/** What is read back of a checkpoint, or of a part of one. */
export function asRead<T>(recorded: Recorded<T>): T {
  const text = JSON.stringify(recorded)
  letGo(recorded)
  return JSON.parse(text)
}

export const network = (text: string) => maskNetwork(addr(text), 128)

/** Waits until what is observed holds; fails with what was seen if it does not in time. */
export async function until<T>(
  observe: () => T | Promise<T>,
  holds: (seen: T) => boolean,
  limitMs = 15_000,
): Promise<T> {
  const deadline = performance.now() + limitMs
  for (;;) {
    const seen = await observe()
    if (holds(seen)) return seen
    if (performance.now() > deadline) {
      throw new Error(`still not so after ${limitMs} ms: ${JSON.stringify(seen)}`)
    }
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Something that tests hold shut for a while: a disk, a hook. */
export function barrier() {
  let open = () => {}
  const wait = new Promise<void>(resolve => {
    open = resolve
  })
  return { wait, open }
}

/** Lets everything go on that waits for nothing but its turn. */
export const turns = () => new Promise<void>(resolve => setImmediate(resolve))
