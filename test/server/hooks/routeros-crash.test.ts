import { parseNetwork } from '@oneknock/shared'
import { expect, it } from 'vitest'
import { type Opening, openingKey } from '../../../server/src/core/openings.ts'
import type { RouterOsHook } from '../../../server/src/hooks/routeros.ts'
import { ManualClock } from './clock.ts'
import { FakeRouterOs, type Fault } from './fake-routeros.ts'
import { FolderInMemory } from './folder-in-memory.ts'
import { login, makeHook, onRouter } from './routeros.ts'

const CRASHES = 500
/** Crashes between two looks at what there is. */
const LOOK_EVERY = 10
const FAULTS: readonly Fault[] = [
  'down',
  'lost',
  'late',
  'hang',
  'lie',
  'error in 200',
  'no permission',
  'nonsense',
  'reboot',
]
const MINUTE = 60_000

/** The same numbers for the same seed, so that what failed can be run again. */
function dice(seed: number): (sides: number) => number {
  let state = seed
  return sides => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % sides
  }
}

const never = () => new Promise<never>(() => {})

/** One run of the daemon: ends before or after some step that others can see, and does nothing more. */
class Life {
  readonly over: Promise<'over'>
  #end: (how: 'over') => void = () => {}
  #left: number
  #dead = false
  readonly #isLastDone: boolean

  constructor(steps: number, isLastDone: boolean) {
    this.#left = steps
    this.#isLastDone = isLastDone
    this.over = new Promise(resolve => {
      this.#end = resolve
    })
  }

  async step<T>(work: () => T | Promise<T>): Promise<T> {
    if (this.#dead) return never()
    const done = async () => work()
    if (--this.#left > 0) return done().finally(() => (this.#dead ? never() : undefined))
    this.#dead = true
    if (this.#isLastDone) await done().catch(() => {})
    this.#end('over')
    return never()
  }
}

it(`leaves no login behind over ${CRASHES} crashes of either side`, async () => {
  const seed = Number(process.env.OKH_SEED) || Date.now() % 1_000_000
  const roll = dice(seed)
  const clock = new ManualClock()
  const router = new FakeRouterOs(clock)
  const disk = new FolderInMemory()
  /** What the ledger says is granted. It outlives every crash; so does the router. */
  const granted = new Map<string, Opening>()
  const seen = { deaths: 0, reboots: 0, loginsAtDeath: 0, delivered: 0 }
  const routerFaults = () => {
    const fault = roll(4) === 0 ? FAULTS[roll(FAULTS.length)] : undefined
    if (fault === 'reboot') seen.reboots++
    return fault
  }

  async function begin(life: Life, isWell: boolean): Promise<RouterOsHook> {
    const ask = router.transport()
    const hook = makeHook({
      services: [onRouter('lan', login), onRouter('admin', login)],
      clock,
      state: '/state',
      files: disk.files(step => life.step(step)),
      deliver: () =>
        life.step(() => {
          if (!isWell && roll(6) === 0) throw new Error('the post is on strike')
          seen.delivered++
        }),
      transport: () => request =>
        life.step(() => {
          router.faults = [isWell ? undefined : routerFaults()]
          if (!isWell && roll(20) === 0) router.comeThrough()
          return ask(request)
        }),
    })
    await hook.start()
    return hook
  }

  /** As the gatekeeper does after a start: what is granted is opened, the rest is closed. */
  async function resume(hook: RouterOsHook): Promise<void> {
    for (const [key, { until }] of granted) if (until <= clock.now()) granted.delete(key)
    await Promise.all([...granted.values()].map(opening => open(hook, opening)))
    for (const opening of await hook.list()) {
      if (!granted.has(openingKey(opening))) await close(hook, opening)
    }
  }

  /** What fails is rolled back. */
  async function open(hook: RouterOsHook, opening: Opening): Promise<void> {
    const key = openingKey(opening)
    granted.set(key, opening)
    await hook.open(opening).catch(async () => {
      granted.delete(key)
      await close(hook, opening)
    })
  }

  /** Tried until it succeeds, as the doors do; a crash may come first. */
  async function close(hook: RouterOsHook, opening: Opening): Promise<void> {
    granted.delete(openingKey(opening))
    while (
      await hook.close(opening).then(
        () => false,
        () => true,
      )
    );
  }

  const someOpening = (): Opening => ({
    service: ['lan', 'admin'][roll(2)]!,
    user: ['anna', 'bert'][roll(2)]!,
    network: parseNetwork(`203.0.113.${roll(2)}`)!,
    until: clock.now() + (1 + roll(10)) * MINUTE,
  })

  async function live(hook: RouterOsHook): Promise<void> {
    await resume(hook)
    for (;;) {
      const opening = someOpening()
      await (roll(3) > 0 ? open(hook, opening) : close(hook, opening))
      if (roll(4) === 0) clock.advance(roll(5) * MINUTE)
      if (roll(4) === 0) await hook.repair()
    }
  }

  /** A daemon and a router that are well have the logins that are granted, and no others. */
  async function look(): Promise<void> {
    router.faults = []
    router.comeThrough()
    const hook = await begin(new Life(Number.POSITIVE_INFINITY, false), true)
    await resume(hook)
    await hook.repair()
    await hook.stop()
    const what = `seed ${seed}, after ${seen.deaths} deaths and ${seen.reboots} reboots`
    expect((await hook.list()).map(openingKey).sort(), what).toEqual([...granted.keys()].sort())
    const records = disk.names().filter(file => file !== 'instance')
    expect(
      router
        .logins()
        .map(name => `${name}.json`)
        .sort(),
      what,
    ).toEqual(records.sort())
    expect(records, what).toHaveLength(granted.size)
  }

  while (seen.deaths + seen.reboots < CRASHES) {
    const life = new Life(1 + roll(200), roll(2) === 0)
    let hook: RouterOsHook | undefined
    await Promise.race([
      life.over,
      begin(life, false).then(made => {
        hook = made
        return live(made)
      }),
    ])
    await hook?.stop()
    if (roll(3) === 0) disk.powerCut()
    seen.deaths++
    seen.loginsAtDeath += router.logins().length
    if (seen.deaths % LOOK_EVERY === 0) await look()
  }

  clock.advance(60 * MINUTE)
  await look()
  expect(router.logins(), `seed ${seed}`).toEqual([])
  // It would prove nothing if little had happened.
  expect(seen.loginsAtDeath).toBeGreaterThan(100)
  expect(seen.delivered).toBeGreaterThan(100)
  console.log(JSON.stringify({ seed, ...seen }))
}, 120_000)
