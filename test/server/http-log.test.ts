import { afterEach, expect, it } from 'vitest'
import { makeHttp } from '../../server/src/compose/http.ts'
import type { Settings } from '../../server/src/compose/settings.ts'
import { Counters } from '../../server/src/counters.ts'
import type { Log } from '../../server/src/log.ts'
import { HandClock, kit } from './kit.ts'
import { fetchFrom, freePort, settings } from './listeners/http.ts'

const undo: (() => unknown)[] = []
afterEach(async () => {
  for (const step of undo.splice(0)) await step()
})

it('a fault of ours that strangers can meet is in the log once a minute', async () => {
  const errors: unknown[] = []
  const clock = new HandClock()
  const port = await freePort()
  const http = makeHttp({
    settings: () =>
      ({ directory: { services: new Map(), users: new Map() } }) as unknown as Settings,
    ...{ clock, counters: new Counters() },
    log: { info: () => {}, error: (fields: unknown) => errors.push(fields) } as unknown as Log,
    routes: [
      () => {
        throw new Error('a fault of ours')
      },
    ],
  })
  await http.configure({ settings: settings(port), secure: undefined, clientKeys: new Map() })
  await http.start(kit().gatekeeper.judge)
  undo.push(() => http.stop())
  const ask = async () => (await fetchFrom(port, '/')).status
  expect([await ask(), await ask(), await ask()]).toEqual([500, 500, 500])
  expect(errors).toEqual([{ message: 'a fault of ours' }])
  clock.pass(60_000)
  await ask()
  expect(errors).toHaveLength(2)
})
