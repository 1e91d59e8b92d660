import { parseInvitation, toBase64Url } from '@oneknock/shared'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../server/kit.ts'
import { Home } from '../run.ts'
import { codeOf, Daemon, type Person } from './daemon.ts'
import { hasTmux, type Sitting, Tmux } from './tmux.ts'

/* The built program in a real terminal, before a real daemon with its gate. */

let daemon: Daemon
let home: Home
let at: Tmux
let person: Person
let people = 0

beforeAll(async () => {
  daemon = await Daemon.start({ services: { web: '30m', brief: '8s' } })
})
afterAll(() => daemon?.end())
beforeEach(async () => {
  home = new Home()
  person = await daemon.enrol(`person-${++people}`)
})
afterEach(async () => {
  at?.leave()
  home.remove()
  await daemon.dismiss(`person-${people}`)
})

const sit = (sitting?: Sitting): Tmux => {
  at = new Tmux(home, sitting)
  return at
}

/** At the list, with the target that the invitation gave. */
async function sitWithTarget(sitting?: Sitting): Promise<Tmux> {
  const added = await home.run(['add'], person.invitation)
  if (added.status !== 0) throw new Error(added.stderr)
  const tmux = sit(sitting)
  await tmux.sees(/❯ home/)
  return tmux
}

async function opens(tmux: Tmux, code = codeOf(person)): Promise<void> {
  tmux.press('Enter')
  await tmux.sees(/Code {2}·/)
  tmux.type(code)
  await tmux.sees(/● ● ● ● ● ●/)
  tmux.press('Enter')
  await tmux.sees(/● open (web|brief)/)
}

describe.skipIf(!hasTmux && process.env.CI !== 'true')('a session', () => {
  it('leads a person who has never seen it from an invitation to an open door, and out again', async () => {
    const tmux = sit()
    await tmux.sees(/Welcome/)
    tmux.paste(`${person.invitation}\n`)
    await tmux.sees(/\d{3} characters/)
    tmux.press('Enter')
    await tmux.sees(/Call it home/)
    tmux.press('Enter')
    await tmux.sees(/added home.*delete it/)
    tmux.press('Down')
    await tmux.sees(/❯ {3}web/)

    tmux.press('Enter')
    await tmux.sees(/this code lives \d+ s/)
    expect(await daemon.isOpen('web')).toBe(false)
    const code = codeOf(person)
    const wrong = String((Number(code) + 1) % 1_000_000).padStart(6, '0')
    tmux.type(wrong)
    tmux.press('Enter')
    await tmux.sees(/✗ Refused[\s\S]*code is wrong[\s\S]*What to do/)
    tmux.press('Enter')
    await tmux.sees(/Code {2}· · ·/)
    tmux.type(code)
    tmux.press('Enter')
    await tmux.sees(/● open web[\s\S]*until [\d: -]+, for 127\.0\.0\.1[\s\S]*ssh 127\.0\.0\.1/)
    expect(await daemon.isOpen('web')).toBe(true)

    tmux.press('c')
    await tmux.sees(/home: closed: web/)
    expect(await daemon.isOpen('web')).toBe(false)
    tmux.press('Tab')
    await tmux.sees(/› history[\s\S]*code is wrong[\s\S]*open for 30m: web[\s\S]*closed: web/)
    tmux.press('Escape')
    await tmux.sees(/type to filter/)
    tmux.press('Escape')
    expect(await tmux.ends()).toBe(0)

    const { key } = (parseInvitation(person.invitation) as { value: { key: Uint8Array } }).value
    for (const secret of [code, wrong, toBase64Url(key), person.invitation]) {
      expect(tmux.written()).not.toContain(secret)
    }
  })

  it('counts down, is extended with the next code, and closes when the time is up', async () => {
    const tmux = await sitWithTarget()
    tmux.press('Down', 'Down')
    await tmux.sees(/❯ {3}brief/)
    await opens(tmux)
    expect(await daemon.isOpen('brief')).toBe(true)
    tmux.press('e')
    await tmux.sees(/used: the next in|lives/)
    tmux.type(codeOf(person, 1))
    tmux.press('Enter')
    await tmux.sees(/● open brief/)
    await tmux.sees(/its time was up/)
    expect(await daemon.isOpen('brief')).toBe(false)
    tmux.press('Enter')
    await tmux.sees(/Code {2}·/)
  })

  it('shows in the list what is open, and for how long', async () => {
    const tmux = await sitWithTarget({ columns: 60, rows: 20 })
    tmux.type('web')
    await tmux.sees(/filter: web/)
    await opens(tmux)
    tmux.press('Escape')
    await tmux.sees(/❯ {3}web +● open (30:00|29:\d\d)/)
    const left = () => /web +● open (\d+:\d\d)/.exec(tmux.screen())?.[1]
    const first = left()
    await until(left, now => now !== undefined && now !== first)
    expect(tmux.screen()).toMatch(/● 1 open/)
    tmux.press('Enter')
    await tmux.sees(/until/)
  })

  it('leaves it open for who knocked, at its end, and ssh and the next session know', async () => {
    const tmux = await sitWithTarget()
    tmux.press('Down')
    await opens(tmux)
    tmux.press('C-c')
    expect(await tmux.ends()).toBe(0)
    expect(await daemon.isOpen('web')).toBe(true)
    const needed = await home.run(['knock', 'home', 'web', '--if-needed'])
    expect(needed).toMatchObject({ status: 0, stdout: expect.stringMatching(/^open already/) })

    at.leave()
    const next = sit()
    await next.sees(/web +● open (30:00|29:\d\d)/)
    next.press('Down', 'Enter')
    await next.sees(/● open web[\s\S]*for 127\.0\.0\.1/)
    next.press('c')
    await next.sees(/home: closed: web/)
  })
})
