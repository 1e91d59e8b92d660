import { expect, it } from 'vitest'
import { Lanes } from '../../server/src/lanes.ts'
import { barrier, turns } from './kit.ts'

it('work with the same key is done in its turn, and other work does not wait for it', async () => {
  const lanes = new Lanes()
  const { wait, open } = barrier()
  const done: string[] = []
  const first = lanes.inTurn('a', async () => {
    await wait
    done.push('first')
  })
  const second = lanes.inTurn('a', async () => done.push('second'))
  await lanes.inTurn('b', async () => done.push('other'))
  await turns()
  expect(done).toEqual(['other'])
  open()
  await Promise.all([first, second])
  expect(done).toEqual(['other', 'first', 'second'])
})

it('work that fails is told of it, and whoever comes behind it is not', async () => {
  const lanes = new Lanes()
  const failed = lanes.inTurn('a', async () => {
    throw new Error('that')
  })
  const behind = lanes.inTurn('a', async () => 'behind')
  await expect(failed).rejects.toThrow('that')
  await expect(behind).resolves.toBe('behind')
  await expect(lanes.inTurn('a', async () => 'later')).resolves.toBe('later')
})
