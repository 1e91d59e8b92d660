import {
  ANY,
  deriveKeys,
  KEY_BYTES,
  KNOCK_ID_BYTES,
  NONCE_BYTES,
  sealKnock,
  TOTP_SECRET_BYTES,
  TOTP_STEP_MS,
  toHex,
  totpCode,
  totpStep,
} from '@oneknock/shared'
import type { Device, Directory, Service } from '../core/directory.ts'
import { Keyring } from '../core/keyring.ts'
import { State } from '../core/state.ts'
import { Counters } from '../counters.ts'
import { Doors } from '../doors.ts'
import { Gatekeeper } from '../gatekeeper.ts'
import { MemoryHook } from '../hooks/memory.ts'
import { NativeMacs, nativeReplyTag } from '../native-macs.ts'

/**
 * By then the engine has compiled most of what a knock runs through: the first real one took 15 ms of
 * processor time without any, 2 ms behind 10, 1.3 ms behind 30 and no less behind 200.
 */
export const ACTS = 30

/**
 * A knock's whole way but for disk and hooks, gone some times over on a stage of its own, where nothing
 * is kept, opened or counted. The engine compiles code as it is used, and whoever knocks first would
 * wait for that. Each act is a turn of the event loop, so that real packets come between.
 *
 * False if a good knock did not open: then no real one would either.
 */
export async function rehearse({ random, now, turn }: RehearsalParts): Promise<boolean> {
  const stage = new Stage(random, now)
  for (let act = 0; act < ACTS; act++) {
    await turn()
    if (!(await stage.play())) return false
  }
  return true
}

export interface RehearsalParts {
  /** That many bytes from a cryptographic source. */
  readonly random: (bytes: number) => Uint8Array
  /** Milliseconds since the Unix epoch, at the first act. */
  readonly now: number
  /** Lets others have their turn. */
  readonly turn: () => Promise<unknown>
}

const FRESHNESS_MS = 120_000
/** For documentation (RFC 5737): nobody has it. */
const SOURCE = '192.0.2.7'

const SERVICE: Service = {
  name: 'rehearsal',
  ports: [],
  lifetime: 30,
  maxLifetime: 30,
  maxPrefix: { ipv4: 128, ipv6: 128 },
  factor: 'required',
  requireAddress: false,
  behindProxy: false,
  onExpiry: 'keep',
  destination: [],
  gate: undefined,
  exec: undefined,
}

/** One device, one door, and a clock that goes on by one code with each act. */
class Stage {
  readonly #random: RehearsalParts['random']
  readonly #device: Device
  readonly #secret: Uint8Array
  readonly #keyring = new Keyring(FRESHNESS_MS, new NativeMacs())
  readonly #gatekeeper: Gatekeeper
  #now: number

  constructor(random: RehearsalParts['random'], now: number) {
    this.#random = random
    this.#now = now
    this.#secret = random(TOTP_SECRET_BYTES)
    const id = 'rehearsal/device'
    const key = random(KEY_BYTES)
    this.#device = { id, user: 'rehearsal', label: 'device', key, enrolledAt: now }
    this.#keyring.assign([this.#device])
    const clock = { now: () => this.#now, monotonic: () => this.#now }
    const directory = directoryOf(this.#device, this.#secret)
    const hook = new MemoryHook([SERVICE.name], clock)
    this.#gatekeeper = new Gatekeeper({
      ...{ clock, random, keyring: this.#keyring, freshnessMs: FRESHNESS_MS },
      replyTag: nativeReplyTag,
      state: new State(clock, FRESHNESS_MS),
      directory: () => directory,
      host: { isOwn: () => false, listensOnLoopback: false },
      record: async () => true,
      doors: new Doors({ hooksOf: () => [hook], report: () => {} }),
      counters: new Counters(),
      ask: async () => {},
    })
  }

  /** Whether the door opened. */
  async play(): Promise<boolean> {
    this.#now += TOTP_STEP_MS
    while (this.#keyring.hints.prepare(this.#now, 1));
    const datagram = this.#knock()
    const verdict = datagram && (await this.#gatekeeper.judge({ datagram, source: SOURCE }))
    return verdict?.kind === 'answer' && verdict.outcome.status === 'opened'
  }

  #knock(): Uint8Array | undefined {
    const sealed = sealKnock(deriveKeys(this.#device.key), this.#random(NONCE_BYTES), {
      verb: 'open',
      factor: { kind: 'totp', code: totpCode(this.#secret, totpStep(this.#now)) },
      lifetime: 0,
      sentAt: this.#now,
      knockId: toHex(this.#random(KNOCK_ID_BYTES)),
      address: ANY,
      prefix: 128,
      services: [SERVICE.name],
    })
    return sealed.ok ? sealed.value : undefined
  }
}

const directoryOf = (device: Device, secret: Uint8Array): Directory => ({
  services: new Map([[SERVICE.name, SERVICE]]),
  users: new Map([
    [
      device.user,
      {
        name: device.user,
        services: [SERVICE.name],
        devices: [device],
        totp: { id: 'rehearsal', secret },
        recovery: [],
        otherAddress: false,
        locked: false,
      },
    ],
  ]),
})
