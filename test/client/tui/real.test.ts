import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { TOTP_STEP_MS } from '@oneknock/shared'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { codeOf, type Enrolled, freeTcpPort, Gateway } from '../../server/admin/gateway.ts'
import { lacking } from '../../server/commands/cli.ts'
import { Receiver } from '../../server/delivery/receiver.ts'
import { until } from '../../server/kit.ts'
import { Home } from '../run.ts'
import { hasTmux, Tmux } from './tmux.ts'

/*
 * What takes its time, before a real daemon. What stands in for ntfy is a stand-in: it takes down what
 * is published, and a test presses the buttons as the app does.
 */

let ntfy: Receiver
let g: Gateway
let home: Home
let enrolled: Enrolled
let at: Tmux | undefined
beforeEach(async () => {
  ntfy = await Receiver.start()
  const [http, vault, behind] = [await freeTcpPort(), await freeTcpPort(), await freeTcpPort()]
  g = await Gateway.make(`
    http = { listen = ["127.0.0.1:${http}"], public = "http://127.0.0.1:${http}" }
    [delivery.phone]
    ntfy = { server = "${ntfy.url}" }
    [services.vault]
    gate = { listen = "127.0.0.1:${vault}", forward = "127.0.0.1:${behind}" }
    approval = "phone"
  `)
  enrolled = await g.json('user', 'add', 'ana', '--services', 'web,vault')
  appendFileSync(g.userFile('ana'), '\n[contact]\nntfy = "topic-of-ana"\n')
  await g.start()
  home = new Home()
  const added = await home.run(['add', '--name', 'home'], `${enrolled.invitation}\n`)
  if (added.status !== 0) throw new Error(added.stderr)
})
afterEach(async () => {
  at?.leave()
  at = undefined
  home?.remove()
  await g?.remove()
  await ntfy?.stop()
})

async function sit(env: Readonly<Record<string, string>> = {}): Promise<Tmux> {
  at = new Tmux(home, { env })
  await at.sees(/❯ home/)
  return at
}

/** Presses the button of this name in the message that the phone got. */
async function press(label: string): Promise<void> {
  const [published] = await until(
    () => ntfy.received.map(({ body }) => JSON.parse(body)),
    all => all.length > 0,
  )
  const { url, method, headers, body } = published.actions.find(
    (action: { label: string }) => action.label === label,
  )
  expect((await fetch(url, { method, headers, body })).status).toBe(200)
}

describe.skipIf(lacking(hasTmux))('a service that somebody must approve', () => {
  async function asks(): Promise<Tmux> {
    const tmux = await sit()
    tmux.type('vault')
    await tmux.sees(/❯ +vault/)
    tmux.press('Enter')
    await tmux.sees(/Code {2}·/)
    tmux.type(codeOf(enrolled))
    tmux.press('Enter')
    await tmux.sees(/Waiting for somebody to approve \(phone\)[\s\S]*stops waiting in [12]:\d\d/)
    expect(await g.json('grants')).toEqual([])
    return tmux
  }

  it('opens at their yes', async () => {
    const tmux = await asks()
    await press('Approve')
    await tmux.sees(/● open vault/)
    expect(await g.json('grants')).toMatchObject([{ user: 'ana', services: ['vault'] }])
  })

  it('stays shut at their no: says who to talk to', async () => {
    const tmux = await asks()
    await press('Deny')
    await tmux.sees(/somebody was asked, and said no \(phone\)[\s\S]*talk to whoever approves/i)
    expect(await g.json('grants')).toEqual([])
  })
})

describe.skipIf(lacking(hasTmux))('a code that was used already', () => {
  /** Of the half minute that a code lives: enough to open a door and to ask for more. */
  const LEFT_MS = 12_000

  it('is waited out, and the next one extends the door', async () => {
    // The client's clock is ahead, by less than servers put up with: so a test waits less.
    const ahead = (2 * TOTP_STEP_MS - (Date.now() % TOTP_STEP_MS) - LEFT_MS) % TOTP_STEP_MS
    const shift = join(home.path, 'shift.cjs')
    writeFileSync(shift, `const now = Date.now; Date.now = () => now() + ${ahead}`)
    const codes = join(home.path, 'codes')
    const code = (steps: number) => codeOf(enrolled, stepThere() - stepHere() + steps)
    const stepHere = () => Math.floor(Date.now() / TOTP_STEP_MS)
    const stepThere = () => Math.floor((Date.now() + ahead) / TOTP_STEP_MS)
    const profile = JSON.parse(readFileSync(home.file('home'), 'utf8'))
    const withCommand = { ...profile, otp_command: `cat '${codes}'` }
    writeFileSync(home.file('home'), JSON.stringify(withCommand))
    const [present, next] = [code(0), code(1)]
    writeFileSync(codes, present)

    const tmux = await sit({ NODE_OPTIONS: `--require=${shift}` })
    tmux.type('web')
    await tmux.sees(/❯ +web/)
    tmux.press('Enter')
    await tmux.sees(/● open web/)
    const [before] = await g.json('grants')
    tmux.press('e')
    await tmux.sees(/This code of home was used already: waiting for the next\s+it comes in 0:\d\d/)
    writeFileSync(codes, next)
    await tmux.sees(/● open web/)
    const [after] = await g.json('grants')
    expect(Date.parse(after.until)).toBeGreaterThan(Date.parse(before.until))
  })
})
