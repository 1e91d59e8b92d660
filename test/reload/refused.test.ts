import { readFileSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { gateDoor } from '../crash/doors.ts'
import { useSites } from '../daemon/fixture.ts'
import { seal } from '../daemon/packets.ts'
import { person } from '../daemon/people.ts'
import type { Site } from '../daemon/site.ts'
import { until } from '../server/kit.ts'

const sites = useSites()
const HERE = '127.5.5.5'
const alice = person('alice', { services: ['web'] })
const bob = person('bob', { services: ['web'] })

const web = (site: Site, port = 8443) => `
[services.web]
factor = "none"
lifetime = "10m"
gate = { listen = "${site.address(port)}", forward = "${site.address(80)}" }
`

/** A daemon with Alice in, and what must be so as long as no reload is taken up. */
async function settled() {
  const site = sites.site({ people: [alice], config: at => web(at) })
  await sites.greet(site)
  await site.start()
  const knocker = await sites.knocker(site, HERE)
  const knock = (by = alice) =>
    knocker.ask(seal(by.devices[0]!, { services: ['web'] }), by === alice ? 10_000 : 300)
  expect(await knock()).toMatchObject({ status: 'opened' })
  const isAsBefore = async () => {
    expect(await gateDoor('web', { host: site.host, port: 8443 }).isOpen(HERE)).toBe(true)
    expect(await site.ask({ command: 'grants' })).toMatchObject([{ user: 'alice', state: 'open' }])
    expect(await knock()).toMatchObject({ status: 'opened' })
    expect(await knock(bob), 'Bob came with what was refused').toBeUndefined()
    expect(site.said('reloaded')).toBeUndefined()
  }
  return { site, isAsBefore }
}

const WRONG = `
[services.web]
factor = "sometimes"
lifteime = "10m"

[services.empty]
`

it('a bad configuration is refused whole, with all that is wrong, and the old one stays', async () => {
  const { site, isAsBefore } = await settled()
  site.put(bob)
  site.configure(WRONG)
  const said = [
    /oneknockd\.toml:\d+: services\.web\.factor: .*"required" or "none"/,
    /oneknockd\.toml:\d+: services\.web\.lifteime: .*did you mean lifetime/,
    /oneknockd\.toml:\d+: services\.empty: this service has nothing to open/,
  ]
  const message = await site.ask({ command: 'reload' }).then(
    () => 'taken',
    error => error.message,
  )
  for (const pattern of said) expect(message).toMatch(pattern)
  expect(message.split('\n').length).toBeGreaterThanOrEqual(3)

  site.signal('SIGHUP')
  const errors = await until(
    () => site.log.filter(({ msg }) => msg === 'not reloaded').map(({ error }) => error),
    lines => lines.length >= 3,
  )
  for (const pattern of said) expect(errors).toContainEqual(expect.stringMatching(pattern))
  await isAsBefore()
})

it('a bad user is refused with everything else', async () => {
  const { site, isAsBefore } = await settled()
  site.put(bob)
  const file = join(site.folder, 'users', 'bob.toml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('"web"', '"wed"'))
  site.configure(at => web(at, 9443))
  await expect(site.ask({ command: 'reload' })).rejects.toThrow(/bob\.toml.*did you mean web/)
  await isAsBefore()
})

it('what needs a restart is refused', async () => {
  const { site, isAsBefore } = await settled()
  site.put(bob)
  site.configure(at => `freshness = "60s"\n${web(at)}`)
  await expect(site.ask({ command: 'reload' })).rejects.toThrow(/freshness .*restart it/)
  await isAsBefore()
})

it.each([
  ['a gate cannot have its port', 9443, [], /gate of service web cannot listen .* port 9443/],
  ['an address is not ours', 9444, ['192.0.2.1:62201'], /cannot listen on udp 192\.0\.2\.1/],
] as const)('if %s, nothing changes', async (_, port, elsewhere, error) => {
  const { site, isAsBefore } = await settled()
  site.put(bob)
  const squatter = createServer().listen(9443, site.host)
  const config = (at: Site) => `${web(at, port)}
[services.other]
factor = "none"
gate = { listen = "${at.address(9445)}", forward = "${at.address(80)}" }
`
  site.configure(config, [site.address(62202), ...elsewhere])
  await expect(site.ask({ command: 'reload' })).rejects.toThrow(error)
  await isAsBefore()
  // What was listened at for a moment is no longer.
  expect(site.said('address gone')).toMatchObject({ port: 62202 })

  // The same once more, without what was in the way.
  squatter.close()
  site.configure(config)
  await site.ask({ command: 'reload' })
  const moved = gateDoor('web', { host: site.host, port })
  expect(await moved.isOpen(HERE), 'the grant goes with its service').toBe(true)
})
