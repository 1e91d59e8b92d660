import { setImmediate as turn } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { ACTS, rehearse } from '../../server/src/compose/rehearsal.ts'
import { pooledRandom } from '../../server/src/random.ts'
import { NOON } from './kit.ts'

it('opens its door in each act, and lets others have their turn before it', async () => {
  let turns = 0
  const opened = await rehearse({ random: pooledRandom(), now: NOON, turn: async () => turns++ })
  expect(opened).toBe(true)
  expect(turns).toBe(ACTS)
})

it('says so when a good knock does not open', async () => {
  const beforeAllClocks = -1e15
  expect(await rehearse({ random: pooledRandom(), now: beforeAllClocks, turn })).toBe(false)
})
