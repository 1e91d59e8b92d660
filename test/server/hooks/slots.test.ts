import { expect, it } from 'vitest'
import { Slots } from '../../../server/src/hooks/slots.ts'

const late = () => new Error('late')
const never = new Promise<never>(() => {})

it('turns away who has waited too long, and forgets them', async () => {
  const slots = new Slots(1, 20)
  let finish = () => {}
  const first = slots.use(() => new Promise<void>(resolve => (finish = resolve)), late)
  await expect(slots.use(() => never, late)).rejects.toThrow('late')
  finish()
  await first
  expect(await slots.use(async () => 'in', late)).toBe('in')
})

it('gives the place of work that failed to the next', async () => {
  const slots = new Slots(1, 60_000)
  const failing = slots.use(async () => {
    throw new Error('as the test wants it')
  }, late)
  const next = slots.use(async () => 'in', late)
  await expect(failing).rejects.toThrow('as the test wants it')
  expect(await next).toBe('in')
})

it('ends at once when nobody is in', async () => {
  const slots = new Slots(1, 60_000)
  await slots.use(async () => {}, late)
  await slots.end(new Error('ended'))
  await expect(slots.use(async () => {}, late)).rejects.toThrow('ended')
})
