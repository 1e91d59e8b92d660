import { parseNetwork } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Clock } from '../../../server/src/core/clock.ts'
import { type Opening, openingKey } from '../../../server/src/core/openings.ts'
import { type Hook, HookError } from '../../../server/src/hooks/hook.ts'

/** One hook, started, that knows both services and holds nothing open. */
export interface HookUnderTest {
  readonly hook: Hook
  /** The time that the hook goes by: a manual one, or the kernel's own. */
  readonly clock: Clock
  /** Names of two services; both allow every prefix length used here (`service.ts` does). */
  readonly services: readonly [string, string]
  /** Whose the openings are, for a hook whose services open something of each user's own. */
  readonly user?: string
  /** Returns once the hook's time is later than this: by setting the clock, or by waiting. */
  passTime(until: number): Promise<void>
  cleanup(): Promise<void>
}

export interface ConformanceOptions {
  /** Milliseconds by which `list()` may differ from what was asked: the kernel counts in its own ticks. */
  readonly tolerance?: number
  /** What has run out is still listed until `close`: something must be run to end it. */
  readonly endsOnlyByClose?: boolean
  /** Openings at once: more than one batch, one slot or one connection's worth. */
  readonly many?: number
}

const MINUTE = 60_000
/** Long enough for the kernel to forget what it was told to. */
const SETTLES_WITHIN = 5_000
const IPV4 = '203.0.113.7'
const IPV4_NEIGHBOUR = '203.0.113.8'
const IPV6 = '2001:db8:1::7'

/** What every hook promises to whoever calls it (hooks/hook.ts). Each implementation runs it. */
export function hookConformance(
  name: string,
  makeHook: () => Promise<HookUnderTest>,
  { tolerance = 0, endsOnlyByClose = false, many = 100 }: ConformanceOptions = {},
): void {
  describe(`${name} keeps the hook's promises`, () => {
    let part: HookUnderTest
    let hook: Hook

    beforeEach(async () => {
      part = await makeHook()
      hook = part.hook
    })
    afterEach(() => part.cleanup())

    const inMinutes = (minutes: number) => Math.floor(part.clock.now()) + minutes * MINUTE

    const opening = (network: string, which: 0 | 1 = 0, until = inMinutes(10)): Opening => ({
      service: part.services[which],
      network: parseNetwork(network)!,
      until,
      ...(part.user !== undefined && { user: part.user }),
    })

    async function expectOpen(...expected: Opening[]): Promise<void> {
      const listed = new Map((await hook.list()).map(held => [openingKey(held), held]))
      expect([...listed.keys()].sort()).toEqual(expected.map(openingKey).sort())
      for (const { until, ...rest } of expected) {
        const difference = Math.abs(listed.get(openingKey(rest))!.until - until)
        expect(difference, `until of ${openingKey(rest)}`).toBeLessThanOrEqual(tolerance)
      }
    }

    const eventuallyOpen = (...expected: Opening[]) =>
      vi.waitFor(() => expectOpen(...expected), { timeout: SETTLES_WITHIN })

    it('holds nothing open at first', async () => {
      await expectOpen()
    })

    it.each([IPV4, IPV6])('opens and closes %s', async address => {
      const door = opening(address)
      await hook.open(door)
      await expectOpen(door)
      await hook.close(door)
      await expectOpen()
    })

    it('opens what is open without a second entry', async () => {
      const door = opening(IPV4)
      await hook.open(door)
      await hook.open(door)
      await expectOpen(door)
      await hook.close(door)
      await expectOpen()
    })

    it.each([IPV4, IPV6])('renews %s to a later end and to an earlier one', async address => {
      await hook.open(opening(address, 0, inMinutes(10)))
      const later = opening(address, 0, inMinutes(20))
      await hook.open(later)
      await expectOpen(later)
      const earlier = opening(address, 0, inMinutes(5))
      await hook.open(earlier)
      await expectOpen(earlier)
    })

    it('closes what is not open, and closes twice', async () => {
      const other = opening(IPV6)
      await hook.open(other)
      await hook.close(opening(IPV4))
      await expectOpen(other)
      await hook.close(other)
      await hook.close(other)
      await expectOpen()
    })

    it('closes by service and network, whatever time it is told', async () => {
      await hook.open(opening(IPV4, 0, inMinutes(10)))
      await hook.close(opening(IPV4, 0, inMinutes(3)))
      await expectOpen()
    })

    it('closes and opens again what has run out', async () => {
      const short = opening(IPV4, 0, Math.floor(part.clock.now()) + 1_000)
      const long = opening(IPV6)
      await hook.open(short)
      await hook.open(long)
      await part.passTime(short.until)
      if (!endsOnlyByClose) await eventuallyOpen(long)
      await hook.close(short)
      await expectOpen(long)
      const again = opening(IPV4)
      await hook.open(again)
      await expectOpen(again, long)
    })

    it('never opens for good what is past already', async () => {
      const past = opening(IPV4, 0, Math.floor(part.clock.now()) - 1_000)
      await hook.open(past).catch(expectHookError)
      await eventuallyOpen()
      await hook.close(past)
      await expectOpen()
    })

    it('keeps the same service for other networks apart', async () => {
      const [a, b] = [opening(IPV4), opening(IPV4_NEIGHBOUR, 0, inMinutes(7))]
      await hook.open(a)
      await hook.open(b)
      await expectOpen(a, b)
      await hook.close(a)
      await expectOpen(b)
    })

    it('keeps other services for the same network apart', async () => {
      const [a, b] = [opening(IPV4, 0), opening(IPV4, 1, inMinutes(7))]
      await hook.open(a)
      await hook.open(b)
      await expectOpen(a, b)
      await hook.close(a)
      await expectOpen(b)
    })

    it.each([
      ['203.0.113.0/24', IPV4],
      ['2001:db8:1::/64', IPV6],
    ])('keeps the prefix %s apart from an address in it', async (prefix, address) => {
      const [wide, single] = [opening(prefix), opening(address, 0, inMinutes(7))]
      await hook.open(wide)
      await hook.open(single)
      await expectOpen(wide, single)
      await hook.close(wide)
      await expectOpen(single)
      await hook.open(wide)
      await hook.close(single)
      await expectOpen(wide)
    })

    it('takes many calls for different openings at once', async () => {
      const doors = Array.from({ length: many }, (_, i) =>
        opening(i % 2 === 0 ? `198.51.100.${i}` : `2001:db8:2::${i}`, i % 4 < 2 ? 0 : 1),
      )
      await Promise.all(doors.map(door => hook.open(door)))
      await expectOpen(...doors)
      const [leave, stay] = [doors.slice(0, many / 2), doors.slice(many / 2)]
      const fresh = Array.from({ length: 10 }, (_, i) => opening(`192.0.2.${i + 1}`))
      await Promise.all([
        ...leave.map(door => hook.close(door)),
        ...fresh.map(door => hook.open(door)),
        hook.list(),
      ])
      await expectOpen(...stay, ...fresh)
    })

    it('refuses a service it does not know, and goes on', async () => {
      const strange = { ...opening(IPV4), service: 'nobody-knows-me' }
      const known = opening(IPV6)
      const [refused] = await Promise.allSettled([hook.open(strange), hook.open(known)])
      expect(refused).toMatchObject({ status: 'rejected', reason: { code: 'unknown-service' } })
      expectHookError((refused as PromiseRejectedResult).reason)
      await expectOpen(known)
      await hook.close(known)
      await expectOpen()
    })

    function expectHookError(error: unknown): void {
      expect(error).toBeInstanceOf(HookError)
      expect((error as HookError).hook).toBe(hook.name)
      expect((error as HookError).message).toMatch(/\S/)
    }
  })
}
