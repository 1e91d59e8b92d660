import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { NO_ORDER } from '../../../server/src/compose/helper.ts'
import { helperFindings } from '../../../server/src/doctor/helper.ts'
import { parseOrder } from '../../../server/src/hooks/exec/order.ts'
import { type Served, serveSocket } from '../../../server/src/socket.ts'
import { scratch } from '../config/scratch.ts'
import { service } from '../kit.ts'

const exec = { open: ['/bin/true'], close: [], timeLimit: 1000, as: 'backup' }
const services = [service('backup', { exec })]

let folder: string
let served: Served | undefined
beforeEach(() => {
  folder = scratch()
})
afterEach(async () => {
  await served?.close()
  rmSync(folder, { recursive: true })
})

const look = (of = services) => helperFindings(of, join(folder, 'helper.sock'), NO_ORDER)

async function answering(answer: (request: unknown) => Promise<unknown>): Promise<void> {
  const serving = await serveSocket(join(folder, 'helper.sock'), answer)
  served = serving.ok ? serving.value : undefined
}

it('is looked for only where a service needs it', async () => {
  expect(await look([service('ssh')])).toEqual([])
  expect(await look()).toMatchObject([
    { state: 'problem', found: expect.stringContaining('is not there') },
  ])
})

it('is well if it refuses what is no order, and not if anything else comes back', async () => {
  await answering(async request => {
    if (!parseOrder(request)) throw new Error(NO_ORDER)
  })
  expect(await look()).toMatchObject([{ state: 'fine' }])
  await served?.close()
  await answering(async () => {
    throw new Error('not now')
  })
  expect(await look()).toMatchObject([
    { state: 'problem', found: expect.stringContaining('does not answer (not now)') },
  ])
})
