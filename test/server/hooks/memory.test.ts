import { parseNetwork } from '@oneknock/shared'
import { expect, it } from 'vitest'
import { HookError } from '../../../server/src/hooks/hook.ts'
import { MemoryHook } from '../../../server/src/hooks/memory.ts'
import { ManualClock } from './clock.ts'
import { hookConformance } from './conformance.ts'

hookConformance('memory', async () => {
  const clock = new ManualClock()
  return {
    hook: new MemoryHook(['ssh', 'wiki'], clock),
    clock,
    services: ['ssh', 'wiki'],
    passTime: async until => clock.advance(until + 1 - clock.now()),
    cleanup: async () => {},
  }
})

it('fails when it is told to, and opens nothing', async () => {
  const clock = new ManualClock()
  const hook = new MemoryHook(['ssh'], clock)
  const door = { service: 'ssh', network: parseNetwork('203.0.113.7')!, until: clock.now() + 1000 }
  hook.before = () => {
    throw new HookError('memory', 'failed', 'as the test wants it')
  }
  await expect(hook.open(door)).rejects.toMatchObject({ code: 'failed' })
  expect(await hook.list()).toEqual([])
})
