import { afterAll, beforeAll, expect, it } from 'vitest'
import { buildDaemon } from '../e2e/daemon.ts'
import { fullHouse } from './house.ts'
import { soak } from './soak.ts'

let program: Awaited<ReturnType<typeof buildDaemon>>
beforeAll(async () => {
  program = await buildDaemon()
})
afterAll(() => program?.remove())

it('junk, replays and good knocks, all mixed: every good one is answered, and no other', async () => {
  const figures = await soak({ program: program.path, seconds: 5, people: 300 })
  expect(figures.violations).toEqual([])
  expect(figures.good).toBeGreaterThan(100)
  expect(figures.coded).toBeGreaterThan(50)
  expect(figures.replays).toBeGreaterThan(200)
}, 60_000)

it('three hundred guests are all there after a crash, and all out in the end, without a process for it', async () => {
  const options = { grants: 300, nftables: false, lifetime: 15 }
  const { forked, late } = await fullHouse({ program: program.path, ...options })
  expect(forked).toBe(0)
  expect(late.most).toBeLessThan(10_000)
}, 60_000)
