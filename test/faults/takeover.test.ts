import { existsSync, rmSync } from 'node:fs'
import { expect, it } from 'vitest'
import { controlPath } from '../../server/src/control.ts'
import { lockOf } from '../../server/src/socket.ts'
import { useSites } from '../daemon/fixture.ts'
import { seal } from '../daemon/packets.ts'
import { person } from '../daemon/people.ts'
import type { Site } from '../daemon/site.ts'
import { until } from '../server/kit.ts'

const sites = useSites()
const alice = person('alice', { services: ['web'] })

const siteOn = (state?: string): Site =>
  sites.site({
    people: [alice],
    config: site => `
[services.web]
factor = "none"
lifetime = "10m"
gate = { listen = "${site.address(8443)}", forward = "127.0.0.1:9" }
`,
    ...(state && { state }),
  })

async function knock(site: Site) {
  const knocker = await sites.knocker(site)
  return knocker.ask(seal(alice.devices[0]!, { services: ['web'] }), 5000)
}

it('a daemon whose state another one takes over says so in one line, and ends', async () => {
  const first = siteOn()
  await first.start()
  expect(await knock(first)).toMatchObject({ status: 'opened' })
  // As when the socket is out of sight: in a container, or tidied away with its lock.
  rmSync(controlPath(first.state))
  rmSync(lockOf(controlPath(first.state)), { recursive: true })
  const second = siteOn(first.state)
  await second.start()
  expect(await second.ask({ command: 'grants' })).toHaveLength(1)

  const meanwhile = await sites.knocker(first)
  meanwhile.send(seal(alice.devices[0]!, { services: ['web'] }))
  await until(
    () => first.running,
    running => !running,
  )
  expect(await first.end()).toBe(1)
  expect(first.stderr).toMatch(
    /^oneknockd: another oneknockd is using the ledger in .*; stop it first\n$/,
  )
  expect(first.complaints()).toEqual([])

  expect(existsSync(controlPath(second.state)), "the other's socket is left alone").toBe(true)
  expect(await knock(second)).toMatchObject({ status: 'opened' })
  expect(await second.end()).toBe(0)
  expect(existsSync(controlPath(second.state))).toBe(false)
})
