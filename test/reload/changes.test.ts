import { once } from 'node:events'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Knock } from '@oneknock/shared'
import { expect, it } from 'vitest'
import type { GrantView } from '../../server/src/administration/views.ts'
import { gateDoor } from '../crash/doors.ts'
import { useSites } from '../daemon/fixture.ts'
import type { Knocker } from '../daemon/knocker.ts'
import { seal } from '../daemon/packets.ts'
import { type Person, person } from '../daemon/people.ts'
import type { Site } from '../daemon/site.ts'
import { howItEnds, Tcp } from '../server/hooks/tcp.ts'
import { until } from '../server/kit.ts'

const sites = useSites()
const HERE = '127.5.5.5'

const gated = (at: Site, name: string, port: number, more = '') => `
[services.${name}]
factor = "none"
lifetime = "10m"
gate = { listen = "${at.address(port)}", forward = "${at.address(80)}" }
${more}
`

/** Its commands note what they did. */
const commanded = (at: Site, name: string, as = name) => `
[services.${name}]
factor = "none"
lifetime = "10m"
exec = { open = ${note(at, `open ${as}`)}, close = ${note(at, `close ${as}`)} }
`
const note = (at: Site, text: string) =>
  JSON.stringify(['/bin/sh', '-c', `echo ${text} >> ${at.folder}/notes`])

function notes({ folder }: Site): string[] {
  const file = join(folder, 'notes')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
}

async function started(people: readonly Person[], config: (site: Site) => string) {
  const site = sites.site({ people, config })
  await sites.greet(site)
  await site.start()
  const knocker = await sites.knocker(site, HERE)
  return { site, knocker, isOpen: (port: number) => doorAt(site, port) }
}

const doorAt = async ({ host }: Site, port: number) => gateDoor('', { host, port }).isOpen(HERE)

async function open(knocker: Knocker, by: Person, services: readonly string[], device = 0) {
  const asks: Partial<Knock> = { services }
  const reply = await knocker.ask(seal(by.devices[device]!, asks), 10_000)
  expect(reply).toMatchObject({ status: 'opened' })
}

const grantsOf = async (site: Site) =>
  (await site.ask<GrantView[]>({ command: 'grants' })).map(
    ({ user, device, services }) => `${user}/${device}: ${services.join(' ')}`,
  )

it('who is removed is out, with their connections; a device, a service alone too', async () => {
  const [alice, bob] = ['alice', 'bob'].map(name =>
    person(name, { services: ['web', 'job'], devices: 2 }),
  ) as [Person, Person]
  const tcp = new Tcp()
  const echo = await tcp.echo()
  const config = (at: Site) =>
    `${gated(at, 'web', 8443).replace(at.address(80), `127.0.0.1:${echo.port}`)}${commanded(at, 'job')}`
  const { site } = await started([alice, bob], config)
  const [hers, his] = await Promise.all(
    ['127.5.5.6', '127.5.5.7'].map(from => sites.knocker(site, from)),
  )
  await open(hers!, alice, ['web', 'job'])
  await open(his!, bob, ['web'], 0)
  await open(his!, bob, ['web', 'job'], 1)
  const session = tcp.connect({ host: site.host, port: 8443 }, '127.5.5.6')
  const other = tcp.connect({ host: site.host, port: 8443 }, '127.5.5.7')
  await Promise.all([once(session, 'connect'), once(other, 'connect')])

  site.remove('alice')
  await site.ask({ command: 'reload' })
  expect(await howItEnds(session)).toBe('ECONNRESET')
  expect(await grantsOf(site)).toEqual(['bob/device-0: web', 'bob/device-1: web job'])
  await until(
    () => notes(site),
    lines => lines.at(-1) === 'close job',
  )

  site.put({ ...bob, devices: bob.devices.slice(1) })
  await site.ask({ command: 'reload' })
  expect(await grantsOf(site)).toEqual(['bob/device-1: web job'])
  expect(other.destroyed, 'his other device still has the door open').toBe(false)

  site.put({ ...bob, services: ['web'] })
  site.configure(at => config(at).replace(commanded(at, 'job'), ''))
  await site.ask({ command: 'reload' })
  expect(await grantsOf(site)).toEqual(['bob/device-1: web'])
  await until(
    () => notes(site).filter(line => line === 'close job').length,
    count => count === 2,
  )
  expect(site.complaints()).toEqual([])
  await tcp.end()
})

it('a service that changes takes its grants along: to another port, to commands and back', async () => {
  const alice = person('alice', { services: ['door'] })
  const { site, knocker, isOpen } = await started([alice], at => gated(at, 'door', 8443))
  await open(knocker, alice, ['door'])
  expect(await isOpen(8443)).toBe(true)

  const change = async (config: (at: Site) => string) => {
    site.configure(config)
    await site.ask({ command: 'reload' })
    expect(await grantsOf(site)).toEqual(['alice/device-0: door'])
  }
  await change(at => gated(at, 'door', 8444))
  expect([await isOpen(8443), await isOpen(8444)]).toEqual([false, true])
  await change(at => commanded(at, 'door', 'first'))
  expect(await isOpen(8444)).toBe(false)
  expect(notes(site)).toEqual(['open first'])
  await change(at => commanded(at, 'door', 'second'))
  expect(notes(site), 'what is open stays so').toEqual(['open first'])
  await change(at => gated(at, 'door', 8443))
  expect(await isOpen(8443)).toBe(true)
  expect(notes(site), 'it is closed as it was opened').toEqual(['open first', 'close first'])
  await change(at => `${gated(at, 'door', 8443)}${commanded(at, 'door').split('\n').at(-2)}`)
  expect(await isOpen(8443)).toBe(true)
  expect(notes(site).slice(2)).toEqual(['open door'])

  await site.end('SIGKILL')
  await site.start()
  expect(await isOpen(8443)).toBe(true)
  const closed = await knocker.ask(seal(alice.devices[0]!, { verb: 'close' }), 10_000)
  expect(closed).toMatchObject({ status: 'closed', detail: 'door' })
  expect(await isOpen(8443)).toBe(false)
  expect(notes(site).at(-1)).toBe('close door')
  expect(site.complaints()).toEqual([])
})

it('a gate that stays as it is keeps its connections, whatever else changes', async () => {
  const alice = person('alice', { services: ['stays', 'goes'] })
  const tcp = new Tcp()
  const echo = await tcp.echo()
  const forward = (at: Site, config: string) =>
    config.replaceAll(at.address(80), `127.0.0.1:${echo.port}`)
  const { site, knocker } = await started([alice], at =>
    forward(at, gated(at, 'stays', 8443) + gated(at, 'goes', 8444)),
  )
  await open(knocker, alice, ['stays', 'goes'])
  const [staying, going] = [8443, 8444].map(port => tcp.connect({ host: site.host, port }, HERE))
  await Promise.all([once(staying!, 'connect'), once(going!, 'connect')])
  // The port of the one that goes is taken over in the same breath.
  site.configure(at =>
    forward(
      at,
      `${gated(at, 'stays', 8443, 'on_expiry = "cut"')}${gated(at, 'goes', 8445)}${gated(at, 'new', 8444)}`,
    ),
  )
  await site.ask({ command: 'reload' })
  expect(await howItEnds(going!)).toBe('ECONNRESET')
  staying!.write('still there?')
  expect(String((await once(staying!, 'data'))[0])).toBe('still there?')
  await knocker.ask(seal(alice.devices[0]!, { verb: 'close' }), 10_000)
  expect(await howItEnds(staying!), 'and how it ends is as it says now').toBe('ECONNRESET')
  await tcp.end()
})

it('who moves to another address is heard at the new one, and not at the old', async () => {
  const alice = person('alice', { services: ['web'] })
  const { site, knocker } = await started([alice], at => gated(at, 'web', 8443))
  await open(knocker, alice, ['web'])
  const other = await sites.knocker({ host: site.host, port: 62300 }, HERE)
  const hears = (at: Knocker) => at.ask(seal(alice.devices[0]!, { services: ['web'] }), 300)
  expect(await hears(other)).toBeUndefined()

  site.configure(at => gated(at, 'web', 8443), [site.address(), site.address(62300)])
  await site.ask({ command: 'reload' })
  expect(await hears(knocker)).toMatchObject({ status: 'opened' })
  expect(await hears(other)).toMatchObject({ status: 'opened' })

  site.configure(at => gated(at, 'web', 8443), [site.address(62300)])
  await site.ask({ command: 'reload' })
  expect(await hears(other)).toMatchObject({ status: 'opened' })
  expect(await hears(knocker)).toBeUndefined()
})

it('of many reloads at once the last word counts', async () => {
  const alice = person('alice', { services: ['web'] })
  const { site, isOpen, knocker } = await started([alice], at => gated(at, 'web', 8443))
  await open(knocker, alice, ['web'])
  const reloads: Promise<unknown>[] = []
  for (let port = 8500; port < 8540; port++) {
    site.configure(at => gated(at, 'web', port))
    site.signal('SIGHUP')
    reloads.push(site.ask({ command: 'reload' }))
  }
  await Promise.all(reloads)
  expect(await isOpen(8539)).toBe(true)
  expect(site.complaints()).toEqual([])
  const count = site.log.filter(({ msg }) => msg === 'reloaded').length
  expect(count, 'those that wait are done as one').toBeLessThan(80)
})

it('what is asked of a daemon that starts is done when it has', async () => {
  const alice = person('alice', { services: ['web'] })
  const site = sites.site({ people: [alice], config: at => gated(at, 'web', 8443) })
  await sites.greet(site)
  site.spawn()
  await until(
    () => site.log.length,
    lines => lines > 0,
  )
  site.configure(at => gated(at, 'web', 8446))
  site.signal('SIGHUP')
  await until(() => site.said('reloaded') !== undefined, Boolean)
  const knocker = await sites.knocker(site, HERE)
  await open(knocker, alice, ['web'])
  expect(await doorAt(site, 8446)).toBe(true)
})
