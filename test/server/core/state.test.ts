import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { KnockEvent } from '../../../server/src/core/events.ts'
import { letGo as letGoOf } from '../../../server/src/core/recorded.ts'
import { type Checkpoint, State } from '../../../server/src/core/state.ts'
import { HookError } from '../../../server/src/hooks/hook.ts'
import {
  ANY,
  ANY_IPV4,
  fromBase64Url,
  type Knock,
  NO_FACTOR,
  toHex,
} from '../../../shared/src/index.ts'
import { addr, asRead, barrier, FRESHNESS_MS, type Kit, kit, service, turns, user } from '../kit.ts'

/*
 * Lives of a whole gatekeeper, with the disk holding lines back at times. A checkpoint may be taken at
 * any moment; what a restart makes of it and of the lines behind it must be what is remembered at the
 * end of that life, although the checkpoint holds the effect of lines that were still on their way. And
 * it is the same checkpoint, whenever it is put in words.
 */

const SOURCES = ['203.0.113.7', '2001:db8::7']
const ADDRESSES = [ANY, ANY_IPV4, addr('203.0.113.7'), addr('2001:db8::7')]
const approval = { channel: 'phone', timeoutMs: 15_000 }
const services = [
  service('ssh', { factor: 'none' }),
  service('wiki', { lifetime: 600 }),
  service('safe', { factor: 'none', approval, grows: 2 }),
]
const NAMES = ['ssh', 'wiki', 'safe']

const choice = fc.nat(1000)
const ask = fc.record({
  device: fc.nat(1),
  services: fc.subarray([...NAMES, 'nosuch']),
  lifetime: fc.constantFrom(0, 5, 60, 600),
  address: fc.constantFrom(...ADDRESSES),
  source: fc.nat(1),
  code: fc.constantFrom<'none' | 'wrong' | number>('none', 'wrong', -1, 0, 1),
  verb: fc.constantFrom('open' as const, 'open' as const, 'close' as const),
})
const act = fc.oneof(
  { weight: 5, arbitrary: ask.map(its => ({ do: 'knock' as const, ...its })) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('again' as const),
      which: choice,
      address: fc.constantFrom(...ADDRESSES),
      source: fc.nat(1),
    }),
  },
  { weight: 3, arbitrary: fc.nat(20_000).map(ms => ({ do: 'pass' as const, ms })) },
  {
    weight: 1,
    arbitrary: fc
      .integer({ min: -3600_000, max: 600_000 })
      .map(ms => ({ do: 'step' as const, ms })),
  },
  {
    weight: 4,
    arbitrary: fc
      .constantFrom('hold', 'let go', 'let go', 'wait', 'expire', 'unlock', 'revise', 'forget')
      .map(what => ({ do: 'happen' as const, what })),
  },
  { weight: 1, arbitrary: choice.map(which => ({ do: 'end' as const, which })) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('answer' as const),
      which: choice,
      yes: fc.boolean(),
      post: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.boolean().map(works => ({ do: 'hook' as const, works })) },
  { weight: 1, arbitrary: fc.boolean().map(works => ({ do: 'join' as const, works })) },
)

type Act = typeof act extends fc.Arbitrary<infer A> ? A : never

/** Chance does not always come by these. */
const knockAt = (name: string): Act => ({
  ...{ do: 'knock', device: 0, services: [name], lifetime: 0, address: ADDRESSES[2]! },
  ...{ source: 0, code: 'none', verb: 'open' },
})
const A_YES: Act[] = [
  knockAt('safe'),
  { do: 'happen', what: 'let go' },
  { do: 'answer', which: 0, yes: true, post: true },
]
const A_FAILURE: Act[] = [{ do: 'hook', works: false }, knockAt('ssh')]

interface Moment {
  readonly durable: number
  readonly checkpoint: string
  /** What a ledger would go on writing, though much may have happened since. */
  readonly recorded: ReturnType<State['checkpoint']>
}

const CODES = { none: NO_FACTOR, wrong: { kind: 'totp', code: '000000' } } as const

/** Lives through it, and says what was remembered at each moment. */
async function live(acts: readonly Act[]): Promise<{ k: Kit; moments: Moment[]; latest: number }> {
  const k = kit({ services, users: [user('alice', 1, { services: NAMES })] })
  const moments: Moment[] = []
  const pending: Promise<unknown>[] = []
  const sent: { changes: Partial<Knock>; device: number }[] = []
  let locked = false
  let latest = k.clock.now()
  let disk = barrier()
  let held = false

  const send = (changes: Partial<Knock>, device: number, source: number) => {
    const by = user('alice', 1).devices[device]!
    while (k.keyring.hints.prepare(k.clock.now(), 1000));
    pending.push(k.send(k.packet(changes, by), SOURCES[source]))
  }
  const setHook = (works: boolean) => {
    k.hook.before = event => {
      if (event === 'open' && !works) throw new HookError('memory', 'failed', 'no')
    }
  }
  const letGo = async () => {
    disk.open()
    held = false
    k.disk.gate = Promise.resolve()
    await Promise.all(pending.splice(0))
    for (let i = 0; i < 5; i++) await turns()
  }
  const happen = async (what: string) => {
    if (what === 'let go') await letGo()
    if (what === 'wait') await turns()
    if (what === 'expire') k.gatekeeper.endExpired()
    // Forgetting while the clock is ahead is no more than forgetting sooner.
    if (what === 'forget' && k.clock.now() >= latest) k.state.forget(k.clock.now())
    if (what === 'hold' && !held) {
      disk = barrier()
      held = true
      k.disk.gate = disk.wait
    }
    if (what === 'unlock') {
      k.clock.pass(1)
      const event = { event: 'unlocked', user: 'alice' } as const
      k.state.apply(event, k.clock.now())
      pending.push(k.record(event))
      k.clock.pass(1)
    }
    if (what === 'revise') {
      locked = !locked
      k.setDirectory([user('alice', 1, { services: locked ? ['wiki'] : NAMES })])
      k.gatekeeper.revise()
    }
  }

  for (const one of acts) {
    // Each in a time of its own, so that none shares another's millisecond.
    k.clock.pass(1)
    if (one.do === 'pass') k.clock.pass(one.ms)
    if (one.do === 'step') {
      await letGo()
      k.clock.wall += one.ms
    }
    if (one.do === 'happen') await happen(one.what)
    if (one.do === 'end') {
      const grants = k.state.grants.list()
      const grant = grants[one.which % Math.max(1, grants.length)]
      if (grant) void k.gatekeeper.end(grant.id, 'administrator')
    }
    if (one.do === 'answer') {
      const question = k.questions[one.which % Math.max(1, k.questions.length)]
      if (question) void k.gatekeeper.approvals.decide(question.token, one.yes)
      k.post.works = one.post
    }
    if (one.do === 'hook') setHook(one.works)
    if (one.do === 'join') {
      const changes = { services: ['ssh'], knockId: `${sent.length}`.padStart(16, '0') }
      sent.push({ changes, device: 0 })
      setHook(true)
      send({ ...changes, address: ADDRESSES[3]! }, 0, 1)
      await letGo()
      setHook(one.works)
      send({ ...changes, address: ANY_IPV4 }, 0, 0)
    }
    if (one.do === 'knock') {
      const { verb, lifetime, address, code, device } = one
      const factor = typeof code === 'number' ? k.code(code) : CODES[code]
      const knockId = `${sent.length}`.padStart(16, '0')
      const changes = { verb, factor, lifetime, services: one.services, knockId }
      sent.push({ changes, device })
      send({ ...changes, address }, device, one.source)
    }
    if (one.do === 'again' && sent.length > 0) {
      const { changes, device } = sent[one.which % sent.length]!
      send({ ...changes, address: one.address }, device, one.source)
    }
    latest = Math.max(latest, k.clock.now())
    const before = moments.at(-1)
    if (before) expect(JSON.stringify(before.recorded)).toBe(before.checkpoint)
    // Not always: a ledger that fails takes the next one without.
    if (before && moments.length % 2 === 0) letGoOf(before.recorded)
    const recorded = k.state.checkpoint()
    moments.push({ durable: k.lines.length, checkpoint: JSON.stringify(recorded), recorded })
  }
  await letGo()
  k.gatekeeper.endExpired()
  await letGo()
  return { k, moments, latest: Math.max(latest, k.clock.now()) }
}

/** What is remembered, whatever the order in which it is kept, once all that is too old is forgotten. */
function memoryOf(state: State, now: number, latest: number) {
  state.keepTime(now)
  state.forget(latest)
  const { replay, grants, ending, taken, waiting = [], ...rest } = asRead(state.checkpoint())
  return JSON.parse(
    JSON.stringify({
      ...rest,
      floors: replay.floors,
      minutes: [...replay.minutes]
        .sort((a, b) => a.epoch - b.epoch)
        .map(minute => ({ ...minute, tags: tagsOf(minute.tags) })),
      grants: byId(grants, ({ id }) => id),
      waiting: byId(waiting, ({ id }) => id),
      ending: byId(ending, ({ grant }) => grant.id),
      taken: [...taken].sort(),
    }),
  )
}

const tagsOf = (text: string): string[] => {
  const bytes = fromBase64Url(text)!
  return Array.from({ length: bytes.length / 16 }, (_, i) =>
    toHex(bytes, 16 * i, 16 * i + 16),
  ).sort()
}

const byId = <T>(list: readonly T[], id: (one: T) => string): T[] =>
  [...list].sort((a, b) => (id(a) < id(b) ? -1 : 1))

function rebuilt(k: Kit, latest: number, from?: Moment) {
  const state = new State(k.clock, FRESHNESS_MS)
  if (from) state.restore(JSON.parse(from.checkpoint) as Checkpoint)
  for (const { event, at } of k.lines.slice(from?.durable ?? 0)) state.apply(event, at)
  return memoryOf(state, k.clock.now(), latest)
}

describe('what a restart remembers', () => {
  it('is what was there, from the lines alone or from any checkpoint and the lines behind it', async () => {
    let lines = 0
    const kinds = new Set<string>()
    await fc.assert(
      fc.asyncProperty(fc.array(act, { minLength: 10, maxLength: 60, size: 'max' }), async acts => {
        const { k, moments, latest } = await live(acts)
        lines += k.lines.length
        for (const { event } of k.lines) kinds.add(event.event)
        const expected = memoryOf(k.state, k.clock.now(), latest)
        expect(rebuilt(k, latest)).toEqual(expected)
        for (const moment of moments) expect(rebuilt(k, latest, moment)).toEqual(expected)
      }),
      { numRuns: 60, examples: [[A_YES], [A_FAILURE]] },
    )
    expect(lines).toBeGreaterThan(500)
    expect([...kinds].sort()).toEqual(
      [
        ...['approved', 'disapproved', 'ended', 'ending', 'failed', 'knock', 'narrowed', 'seen'],
        'unlocked',
      ].sort(),
    )
  }, 120_000)
})

describe('an enrolment that somebody took up', () => {
  const outcome = {
    status: 'opened',
    reason: 'none',
    network: { address: addr('203.0.113.7'), prefix: 128 },
    lifetime: 0,
    grant: '0'.repeat(16),
    detail: '',
  } as const
  const enrolled = (id: string, enrolledAt: number): KnockEvent => ({
    ...{ event: 'knock', tag: '', device: id, user: 'alice', enrolledAt, sentAt: 0, outcome },
    ...{ knock: toHex(Uint8Array.of(enrolledAt)), verb: 'open', source: '203.0.113.7' },
    ...{ services: [], factor: 'none' },
  })

  it('is told from others of the same name, before a restart and behind it', () => {
    const clock = { now: () => 1000, monotonic: () => 1000 }
    const before = new State(clock, FRESHNESS_MS)
    const taken = [
      enrolled('alice/laptop', 1),
      enrolled('alice/laptop', 3),
      enrolled('alice/@http', 0),
    ]
    before.apply(taken[0]!, 1000)
    const recorded = before.checkpoint()
    for (const event of [...taken, ...taken]) before.apply(event, 1000)
    expect(asRead(recorded).taken).toEqual(['alice/laptop@1'])
    expect(asRead(before.checkpoint()).taken).toEqual([
      'alice/laptop@1',
      'alice/laptop@3',
      'alice/@http@0',
    ])
    const after = new State(clock, FRESHNESS_MS)
    after.restore(asRead(before.checkpoint()))
    for (const state of [before, after]) {
      const isTaken = (id: string, enrolledAt: number) => state.isTaken({ id, enrolledAt })
      expect([1, 2, 3].map(at => isTaken('alice/laptop', at))).toEqual([true, false, true])
      expect(isTaken('alice/phone', 1)).toBe(false)
      expect(isTaken('alice/@http', 0)).toBe(true)
    }
  })
})
