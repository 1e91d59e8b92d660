import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import type { GrantView } from '../../server/src/administration/views.ts'
import { useSites } from '../daemon/fixture.ts'
import { seal } from '../daemon/packets.ts'
import { type Person, person } from '../daemon/people.ts'
import type { Site } from '../daemon/site.ts'
import { roundTrip } from '../server/hooks/tcp.ts'
import { until } from '../server/kit.ts'

const RELOADS = 100
const KNOCKERS = 6
/** Each device may knock twenty times in a row, so there are enough of them for all reloads. */
const DEVICES = 100
const KNOCKS_EACH = 18
const PAUSE_MS = 5

const sites = useSites()

/** The same services for those who knock, and something else around them each time. */
const config = (site: Site, turn: number) => `
[services.web]
factor = "none"
lifetime = "${10 + turn}m"
gate = { listen = "${site.address(8443)}", forward = "${site.address(80)}" }

[services.job]
factor = "none"
lifetime = "10m"
exec = { open = ["/bin/true"], close = ["/bin/true"] }

[services.extra-${turn % 3}]
gate = { listen = "${site.address(9000 + (turn % 5))}", forward = "${site.address(80)}" }
`

/** What one device was told last. */
interface Told {
  readonly user: string
  readonly device: string
  readonly service: string
}

it('a hundred reloads under traffic lose no packet, no grant and no connection', async () => {
  const people = Array.from({ length: KNOCKERS }, (_, i) =>
    person(`person-${i}`, { services: ['web', 'job'], devices: DEVICES }),
  )
  const site = sites.site({ people, config: at => config(at, 0) })
  const echo = createServer(socket => socket.pipe(socket)).listen(80, site.host)
  await site.start()

  let isOver = false
  onTestFinished(() => {
    isOver = true
    echo.close()
  })
  let unanswered = 0
  const told: Told[] = []
  const knockAll = async ({ name, devices }: Person, number: number) => {
    const knocker = await sites.knocker(site, `127.5.2.${number + 1}`)
    for (let i = 0; !isOver && i < DEVICES * KNOCKS_EACH; i++) {
      const device = devices[i % DEVICES]!
      const service = i % 10 === 9 ? 'job' : 'web'
      const reply = await knocker.ask(seal(device, { services: [service] }), 10_000)
      if (reply?.status === 'opened') told.push({ user: name, device: device.label, service })
      else unanswered++
      await delay(PAUSE_MS)
    }
    expect(isOver, 'there were enough devices for all reloads').toBe(true)
  }
  const traffic = Promise.all(people.map(knockAll))
  // It is awaited further down; a test that fails before that has failed already.
  traffic.catch(() => {})

  await until(
    () => told.length,
    count => count >= KNOCKERS * 2,
  )
  const session = connect({ host: site.host, port: 8443, localAddress: '127.5.2.1' })
  onTestFinished(() => {
    session.destroy()
  })
  await once(session, 'connect')
  for (let turn = 1; turn <= RELOADS; turn++) {
    site.configure(at => config(at, turn))
    if (turn % 4 === 1) site.put(person('spare', { services: ['web'] }))
    if (turn % 4 === 3) site.remove('spare')
    if (turn % 2 === 0) await site.ask({ command: 'reload' })
    else site.signal('SIGHUP')
    await until(
      () => site.log.filter(({ msg }) => msg === 'reloaded').length,
      count => count >= turn,
    )
    expect(await roundTrip(session, `turn ${turn}`)).toBe(`turn ${turn}`)
  }
  isOver = true
  await traffic
  expect(unanswered).toBe(0)
  expect(told.length).toBeGreaterThan(RELOADS)
  console.log(`${told.length} knocks during ${RELOADS} reloads`)

  const grants = await site.ask<GrantView[]>({ command: 'grants' })
  const held = new Set(
    grants.flatMap(({ user, device, services }) =>
      services.map(name => `${user} ${device} ${name}`),
    ),
  )
  expect(
    told.filter(({ user, device, service }) => !held.has(`${user} ${device} ${service}`)),
  ).toEqual([])
  expect(site.complaints()).toEqual([])
}, 60_000)
