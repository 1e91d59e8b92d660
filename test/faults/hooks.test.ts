import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { GrantView } from '../../server/src/administration/views.ts'
import { gateDoor } from '../crash/doors.ts'
import { useSites } from '../daemon/fixture.ts'
import { seal } from '../daemon/packets.ts'
import { person } from '../daemon/people.ts'
import type { Site } from '../daemon/site.ts'
import { until } from '../server/kit.ts'

const sites = useSites()

/** A service whose commands are these lines of a shell; what they note can be read. */
const commanded = (name: string, open: string, close: string, limit = '30s') => `
[services.${name}]
factor = "none"
exec = { open = ${shell(open)}, close = ${shell(close)}, time_limit = "${limit}" }
`
const shell = (script: string) => JSON.stringify(['/bin/sh', '-c', script])

const FIRST = '127.5.0.1'

const noted = (site: Site): string[] => {
  try {
    return readFileSync(join(site.folder, 'notes'), 'utf8').trim().split('\n')
  } catch {
    return []
  }
}
const note = (site: Site, text: string) => `echo ${text} >> ${site.folder}/notes`

it('a command that fails is reason 6, and what had opened before it is closed again', async () => {
  const alice = person('alice', { services: ['both'] })
  const site = sites.site({
    people: [alice],
    config: at =>
      `${commanded('both', `${note(at, 'open')}; exit 3`, note(at, 'close'))}
gate = { listen = "${at.address(8443)}", forward = "${at.address(80)}" }`,
  })
  await sites.greet(site)
  await site.start()
  const knocker = await sites.knocker(site, FIRST)
  const reply = await knocker.ask(seal(alice.devices[0]!, { services: ['both'] }), 10_000)
  expect(reply).toMatchObject({ status: 'refused', reason: 'hook-failed', detail: 'both' })
  expect(await gateDoor('both', { host: site.host, port: 8443 }).isOpen(FIRST)).toBe(false)
  expect(await site.ask({ command: 'grants' })).toEqual([])
  expect(noted(site)).toEqual(['open', 'close'])
})

it('a command that hangs is ended in time and is reason 6, and its door is closed', async () => {
  const alice = person('alice', { services: ['door'] })
  const site = sites.site({
    people: [alice],
    config: at => commanded('door', 'exec sleep 600', note(at, 'close'), '1s'),
  })
  await site.start()
  const knocker = await sites.knocker(site)
  const reply = await knocker.ask(seal(alice.devices[0]!, { services: ['door'] }), 15_000)
  expect(reply).toMatchObject({ status: 'refused', reason: 'hook-failed', detail: 'door' })
  expect(noted(site)).toEqual(['close'])
  expect(site.complaints()[0]).toMatchObject({ code: 'timeout', service: 'door' })
})

it('a command that is slow for one keeps nobody else waiting', async () => {
  const slow = person('slow', { services: ['door'] })
  const others = Array.from({ length: 40 }, (_, i) => person(`other-${i}`, { services: ['door'] }))
  const site = sites.site({
    people: [slow, ...others],
    config: at =>
      commanded(
        'door',
        `[ $ONEKNOCK_ADDRESS != ${FIRST} ] || until [ -e ${at.folder}/go ]; do sleep 0.1; done`,
        'true',
      ),
  })
  await site.start()
  const first = await sites.knocker(site, FIRST)
  const waiting = first.ask(seal(slow.devices[0]!, { services: ['door'] }), 30_000)
  const times = await Promise.all(
    others.map(async (other, i) => {
      const knocker = await sites.knocker(site, `127.5.1.${i + 1}`)
      const started = performance.now()
      const reply = await knocker.ask(seal(other.devices[0]!, { services: ['door'] }), 15_000)
      expect(reply).toMatchObject({ status: 'opened' })
      return performance.now() - started
    }),
  )
  console.log(`beside a command that is slow, 40 others at once waited ${describeTimes(times)}`)
  writeFileSync(join(site.folder, 'go'), '')
  expect(await waiting).toMatchObject({ status: 'opened' })
})

it('a door that cannot be closed is said to be closing, and tried until it closes', async () => {
  const alice = person('alice', { services: ['door'] })
  const site = sites.site({
    people: [alice],
    config: at =>
      commanded('door', note(at, 'open'), `[ ! -e ${at.folder}/stuck ] && ${note(at, 'close')}`),
  })
  await site.start()
  writeFileSync(join(site.folder, 'stuck'), '')
  const knocker = await sites.knocker(site)
  const ask = (verb: 'open' | 'close') =>
    knocker.ask(seal(alice.devices[0]!, { verb, services: ['door'], lifetime: 30 }), 10_000)
  expect(await ask('open')).toMatchObject({ status: 'opened' })
  expect(await ask('close')).toMatchObject({ status: 'refused', reason: 'hook-failed' })
  const states = async () =>
    (await site.ask<GrantView[]>({ command: 'grants' })).map(({ state }) => state)
  expect(await states()).toEqual(['closing'])
  // Not even a crash lets it be forgotten.
  await site.end('SIGKILL')
  await site.start()
  expect(await states()).toEqual(['closing'])
  rmSync(join(site.folder, 'stuck'))
  await until(states, all => all.length === 0, 15_000)
  expect(noted(site)).toEqual(['open', 'close'])
})

function describeTimes(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b).map(Math.round)
  return `${sorted[Math.floor(sorted.length / 2)]} ms at the median, ${sorted.at(-1)} ms at most`
}
