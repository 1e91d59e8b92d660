import { execFileSync } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import {
  type Address,
  type Knock,
  REASONS,
  type Reason,
  totpCode,
  totpStep,
} from '@oneknock/shared'
import { expect, it, onTestFinished } from 'vitest'
import type { GrantView } from '../../server/src/administration/views.ts'
import { DAYS } from '../../server/src/core/schedule.ts'
import { useSites } from '../daemon/fixture.ts'
import type { Knocker } from '../daemon/knocker.ts'
import { seal } from '../daemon/packets.ts'
import { type Person, person } from '../daemon/people.ts'
import type { Site } from '../daemon/site.ts'
import { Receiver } from '../server/delivery/receiver.ts'
import { until } from '../server/kit.ts'

const ANSWER_MS = 10_000
/** A device may ask once a second. */
const POLL_MS = 1000
const SERVICES = ['free', 'coded', 'broken', 'night', 'asked']
const sites = useSites()

/** A service that only opens on a day that is neither today nor next to it. */
const config = (phone: Receiver) => (at: Site) =>
  `
http = { listen = ["${at.address(8080)}"], public = "http://${at.address(8080)}" }
[delivery.phone]
ntfy = { server = "${phone.url}" }
[services.free]
factor = "none"
exec = { open = ["/bin/true"] }
[services.coded]
exec = { open = ["/bin/true"] }
[services.broken]
factor = "none"
exec = { open = ["/bin/false"] }
[services.night]
factor = "none"
exec = { open = ["/bin/true"] }
schedule = { days = ["${DAYS[(new Date().getUTCDay() + 3) % DAYS.length]}"], zone = "UTC" }
[services.asked]
factor = "none"
exec = { open = ["/bin/true"] }
approval = "phone"
approval_timeout = "10s"
[services.others]
factor = "none"
exec = { open = ["/bin/true"] }
`

/** Somebody at the door of a running daemon. */
class Visitor {
  readonly person: Person
  readonly #knocker: Knocker
  #knock: Knock | undefined

  constructor(person: Person, knocker: Knocker) {
    this.person = person
    this.#knocker = knocker
  }

  /** The same knock each time, if it is asked about again. */
  ask(service: string, asks: Partial<Knock> = {}) {
    const packet = seal(this.person.devices[0]!, { services: [service], ...asks })
    this.#knock = packet.knock
    return this.#knocker.ask(packet, ANSWER_MS)
  }

  askAgain() {
    const { services, knockId } = this.#knock!
    return this.ask(services[0]!, { knockId })
  }

  code(): Knock['factor'] {
    return { kind: 'totp', code: totpCode(this.person.totp!.secret, totpStep(Date.now())) }
  }

  wrongCode(): Knock['factor'] {
    return { kind: 'totp', code: this.code().code === '000000' ? '000001' : '000000' }
  }
}

type Way = (visitor: Visitor, site: Site) => ReturnType<Visitor['ask']>

/** How each reason is come by, in the order of their numbers. */
const WAYS: Readonly<Partial<Record<Reason, Way>>> = {
  none: visitor => visitor.ask('free'),
  'wrong-factor': visitor => visitor.ask('coded', { factor: visitor.wrongCode() }),
  'factor-used': async visitor => {
    const factor = visitor.code()
    await visitor.ask('coded', { factor })
    return visitor.ask('coded', { factor })
  },
  locked: async (visitor, site) => {
    site.put({ ...visitor.person, locked: true })
    await site.ask({ command: 'reload' })
    return visitor.ask('free')
  },
  // Without a code nobody learns which services there are.
  service: visitor => visitor.ask('others', { factor: visitor.code() }),
  address: visitor => visitor.ask('free', { address: '::ffff:203.0.113.9' as Address }),
  'hook-failed': visitor => visitor.ask('broken'),
  schedule: visitor => visitor.ask('night'),
  denied: async (visitor, site) => {
    expect(await visitor.ask('asked')).toMatchObject({ status: 'pending' })
    const waiting = await site.ask<readonly { id: string }[]>({ command: 'approvals' })
    await site.ask({ command: 'answer', id: waiting[0]!.id, yes: false })
    return visitor.askAgain()
  },
  'approval-timeout': async visitor => {
    expect(await visitor.ask('asked')).toMatchObject({ status: 'pending' })
    return until(
      async () => {
        await delay(POLL_MS)
        return visitor.askAgain()
      },
      reply => reply?.status !== 'pending',
      ANSWER_MS + 15_000,
    )
  },
  // A disk that takes no byte more, as the daemon sees it.
  'state-unavailable': async (visitor, { pid }) => {
    const limitFiles = (bytes: string) =>
      execFileSync('prlimit', ['--pid', `${pid}`, `--fsize=${bytes}:`])
    limitFiles('0')
    const refused = await visitor.ask('free')
    limitFiles('unlimited')
    return refused
  },
}
it('each reason of a reply can be come by, and opens nothing', async () => {
  const ways = Object.entries(WAYS)
  expect(ways.map(([reason]) => reason)).toEqual([...REASONS])
  const people = ways.map(([reason]) => ({
    ...person(reason, { services: SERVICES }),
    contact: { mail: undefined, ntfy: reason },
  }))
  const phone = await Receiver.start()
  onTestFinished(() => phone.stop())
  const site = sites.site({ people, config: config(phone) })
  await site.start()
  const knocker = await sites.knocker(site)
  for (const [i, [reason, come]] of ways.entries()) {
    const status = reason === 'none' ? 'opened' : 'refused'
    const reply = await come(new Visitor(people[i]!, knocker), site)
    expect(reply, reason).toMatchObject({ status, reason })
  }
  // The code that was used had been somebody's right one before.
  const grants = await site.ask<readonly GrantView[]>({ command: 'grants' })
  expect(grants.map(({ user }) => user)).toEqual(['none', 'factor-used'])
}, 60_000)
