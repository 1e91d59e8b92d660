import { rmSync } from 'node:fs'
import { parseNetwork } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { RouterOpens } from '../../../server/src/core/directory.ts'
import type { HookError } from '../../../server/src/hooks/hook.ts'
import type { RouterOsParts } from '../../../server/src/hooks/routeros.ts'
import { ManualClock } from './clock.ts'
import { hookConformance } from './conformance.ts'
import { FakeRouterOs, type Fault } from './fake-routeros.ts'
import {
  IPV4_LIST,
  list,
  login,
  makeHook,
  onRouter,
  RouterHouse,
  rejected,
  type router,
  SECOND,
  scratch,
} from './routeros.ts'

const IPV6_LIST = '/ipv6/firewall/address-list'

interface Connected extends Pick<Partial<RouterOsParts>, 'transport'> {
  readonly settings?: Parameters<typeof router>[1]
}

async function conformant(
  doors: readonly [RouterOpens, RouterOpens],
  connect: (fake: FakeRouterOs, folder: string) => Promise<Connected>,
) {
  const [folder, clock] = [scratch(), new ManualClock()]
  const fake = new FakeRouterOs(clock)
  const { settings, ...parts } = await connect(fake, folder)
  const services = ['lan', 'admin'].map((name, i) => onRouter(name, doors[i]!, settings))
  const hook = makeHook({ services, clock, state: folder, ...parts })
  await hook.start()
  return {
    hook,
    clock,
    services: ['lan', 'admin'] as const,
    passTime: async (until: number) => clock.advance(until + 1 - clock.now()),
    cleanup: async () => {
      await hook.stop()
      await fake.close()
      rmSync(folder, { recursive: true })
    },
  }
}

const overTls = async (fake: FakeRouterOs, folder: string): Promise<Connected> => {
  const { url, sha256 } = await fake.listen(folder)
  return { settings: { url, trust: { kind: 'fingerprint', sha256 } } }
}
const inProcess = async (fake: FakeRouterOs): Promise<Connected> => ({
  transport: () => fake.transport(),
})

hookConformance(
  'routeros, address lists over TLS',
  () => conformant([list('a'), list('b')], overTls),
  // Each takes three connections, whose handshakes take a processor 5 ms.
  { tolerance: SECOND, many: 24 },
)
hookConformance(
  'routeros, logins',
  async () => ({ ...(await conformant([login, login], inProcess)), user: 'anna' }),
  { endsOnlyByClose: true },
)

let at: RouterHouse
beforeEach(() => {
  at = new RouterHouse()
})
afterEach(() => at.remove())

describe('an address list', () => {
  it('holds an entry with a timeout and a comment that says whose it is', async () => {
    const hook = await at.start()
    await hook.open(at.door())
    await hook.open(at.door({ network: parseNetwork('2001:db8::7')! }))
    expect(at.fake.items(IPV4_LIST)).toEqual([
      expect.objectContaining({
        list: 'oneknock',
        address: '203.0.113.7',
        timeout: '10m',
        comment: expect.stringMatching(
          /^oneknock [0-9a-f]{16} lan from 203\.0\.113\.7 until 2027-01-15T08:10:00\.000Z$/,
        ),
      }),
    ])
    expect(at.fake.items(IPV6_LIST)).toMatchObject([{ address: '2001:db8::7/128', timeout: '10m' }])
  })

  it('is put back after the router started anew, with the time that is left', async () => {
    const hook = await at.start()
    await hook.open(at.door())
    await hook.open(
      at.door({ network: parseNetwork('2001:db8::/64')!, until: at.clock.now() + 60 * SECOND }),
    )
    at.clock.advance(61 * SECOND)
    at.fake.reboot()
    expect(await hook.list()).toEqual([])
    await hook.repair()
    expect(await hook.list()).toEqual([at.door({ until: at.clock.now() + 539 * SECOND })])
    await hook.close(at.door())
    at.fake.reboot()
    await hook.repair()
    expect(await hook.list()).toEqual([])
  })

  it('is looked after without anybody asking', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      const hook = await at.start()
      await hook.open(at.door())
      at.fake.reboot()
      vi.advanceTimersByTime(30_000)
      await vi.waitFor(() => expect(at.fake.items(IPV4_LIST)).toHaveLength(1))
      await hook.stop()
      at.fake.reboot()
      vi.advanceTimersByTime(30_000)
      await new Promise(resolve => setImmediate(resolve))
      expect(at.fake.items(IPV4_LIST)).toEqual([])
    } finally {
      vi.useRealTimers()
    }
  })

  it('is known to the next daemon, which takes away what is not wanted', async () => {
    const first = await at.start()
    await first.open(at.door())
    await first.stop()
    const second = await at.start()
    await second.repair()
    const [held] = await second.list()
    expect(held).toEqual(at.door())
    await second.close(held!)
    expect(at.fake.items(IPV4_LIST)).toEqual([])
  })

  it('takes away what came through late', async () => {
    const hook = await at.start()
    at.fake.faults = [undefined, 'late']
    expect(await rejected(hook.open(at.door()))).toMatchObject({ code: 'timeout' })
    await hook.close(at.door())
    at.fake.comeThrough()
    expect(at.fake.items(IPV4_LIST)).toHaveLength(1)
    await hook.repair()
    expect(at.fake.items(IPV4_LIST)).toEqual([])
  })

  it('leaves entries of others alone, and does not count on them', async () => {
    const hook = await at.start()
    const others = { list: 'oneknock', address: '203.0.113.7', comment: 'the office' }
    at.fake.add(IPV4_LIST, others)
    expect((await rejected(hook.open(at.door()))).message).toContain('not by oneknock; remove it')
    await hook.close(at.door())
    await hook.repair()
    expect(at.fake.items(IPV4_LIST)).toMatchObject([others])
  })

  it('replaces an entry that the router will not change', async () => {
    const hook = await at.start()
    await hook.open(at.door())
    at.fake.faults = [undefined, 'error in 200']
    await hook.open(at.door({ until: at.clock.now() + 60 * SECOND }))
    expect(at.fake.items(IPV4_LIST)).toMatchObject([{ timeout: '1m' }])
  })

  it.each<[Fault, HookError['code'], RegExp]>([
    ['down', 'unavailable', /is down/],
    ['hang', 'timeout', /did not answer/],
    ['error in 200', 'failed', /something odd/],
    ['no permission', 'failed', /not enough permissions \(9\).*needs read, write and rest-api/],
    ['nonsense', 'failed', /Bad gateway/],
    ['reboot', 'unavailable', /is down/],
  ])('says what is wrong when the router answers: %s', async (fault, code, message) => {
    const hook = await at.start()
    at.fake.faults = [undefined, fault]
    const error = await rejected(hook.open(at.door()))
    expect(error).toMatchObject({ code })
    expect(error.message).toMatch(message)
    expect(await hook.list()).toEqual([])
    await hook.open(at.door())
    expect(await hook.list()).toHaveLength(1)
  })

  it('does not believe what it cannot read back', async () => {
    const hook = await at.start()
    at.fake.faults = [undefined, 'lie', undefined, undefined, 'lie', undefined, undefined, 'lie']
    expect((await rejected(hook.open(at.door()))).message).toContain('does not hold it')
    at.fake.faults = [undefined, 'lie']
    await hook.open(at.door())
    expect(await hook.list()).toHaveLength(1)
    at.fake.faults = [undefined, 'lie']
    expect((await rejected(hook.close(at.door()))).message).toContain('still has')
  })
})
