import { appendFileSync, readdirSync, readFileSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { join } from 'node:path'
import { parseTotpSecret, totpCode, totpStep } from '@oneknock/shared'
import type { Browser } from 'playwright-core'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { greeter } from '../crash/doors.ts'
import { lacking } from '../server/commands/cli.ts'
import { Receiver } from '../server/delivery/receiver.ts'
import { hasSmtpServer, SmtpServer } from '../server/delivery/smtp.ts'
import { until } from '../server/kit.ts'
import { freeUdpPort } from '../server/knocker.ts'
import { freePort } from '../server/listeners/http.ts'
import { hasBrowser, openBrowser, PHONE } from './browser.ts'
import { buildDaemon, Client, Daemon, type Enrolment, HERE } from './daemon.ts'

/*
 * The real daemon and client, a gate that is open or shut, a real mail server and a real browser, the
 * size of a phone. What stands in for ntfy is a stand-in: it takes down what is published, and a test
 * presses the buttons as the app does.
 */

const PEOPLE = ['ann', 'ben', 'cat', 'dan', 'eve', 'fay', 'gus'] as const
type Name = (typeof PEOPLE)[number]

interface Button {
  readonly label: string
  readonly url: string
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string
}

describe.skipIf(lacking(hasSmtpServer) || lacking(hasBrowser))('approval on a phone', () => {
  let ntfy: Receiver
  let smtp: SmtpServer
  let browser: Browser
  let program: Awaited<ReturnType<typeof buildDaemon>>
  let daemon: Daemon
  let client: Client
  let house: Server
  let door: string
  /** Nobody answers it, while all the others are answered. */
  let silence: ReturnType<typeof knock>
  const people = new Map<Name, Enrolment>()
  const ports = { vault: 0, letters: 0, brief: 0 }
  /** Every token that was sent. */
  const tokens = new Set<string>()

  beforeAll(async () => {
    const [udp, http, inside] = [await freeUdpPort(), await freePort(), await freePort()]
    for (const name of Object.keys(ports)) ports[name as keyof typeof ports] = await freePort()
    door = `http://127.0.0.1:${http}`
    ;[ntfy, smtp, browser, program, house] = await Promise.all([
      Receiver.start(),
      SmtpServer.start(),
      openBrowser(),
      buildDaemon(),
      greeter('127.0.0.1', inside),
    ])
    const gate = (port: number) =>
      `gate = { listen = "127.0.0.1:${port}", forward = "127.0.0.1:${inside}" }`
    daemon = new Daemon(
      HERE,
      program.path,
      folder => `
        listen = ["127.0.0.1:${udp}"]
        public = "127.0.0.1:${udp}"
        state = "${folder}/state"
        http = { listen = ["127.0.0.1:${http}"], public = "${door}" }
        [delivery.phone]
        ntfy = { server = "${ntfy.url}" }
        [delivery.post]
        mail = { server = "smtp://127.0.0.1:${smtp.port}", from = "gate@example.com" }
        [services.vault]
        ${gate(ports.vault)}
        lifetime = "10m"
        approval = "phone"
        [services.letters]
        ${gate(ports.letters)}
        approval = "post"
        approver = "ann"
        [services.brief]
        ${gate(ports.brief)}
        approval = "phone"
        approval_timeout = "10s"
      `,
    )
    client = new Client(HERE)
    await Promise.all(PEOPLE.map(enrol))
    await daemon.start()
    silence = knock('dan', 'brief')
  }, 60_000)

  afterAll(async () => {
    client?.remove()
    await daemon?.remove()
    house?.close()
    await Promise.all([ntfy?.stop(), smtp?.stop(), browser?.close()])
    program?.remove()
  })

  async function enrol(name: Name): Promise<void> {
    const enrolled = await daemon.enrol(name, 'vault,letters,brief')
    people.set(name, enrolled)
    await client.add(enrolled)
    const contact = `\n[contact]\nntfy = "topic-of-${name}"\nmail = "${name}@example.com"\n`
    appendFileSync(join(daemon.folder, 'users', `${name}.toml`), contact)
  }

  const knock = (name: Name, ...args: readonly string[]) => client.knock(people.get(name)!, ...args)

  /** What was published for them, once it was. */
  async function published(name: Name) {
    const mine = () =>
      ntfy.received
        .map(({ body }) => JSON.parse(body))
        .filter(({ topic }) => topic === `topic-of-${name}`)
    const [said] = await until(mine, all => all.length > 0, 20_000)
    tokens.add(said.click.split('/').at(-1))
    return said as { title: string; message: string; click: string; actions: Button[] }
  }

  const button = async (name: Name, label: string): Promise<Button> =>
    (await published(name)).actions.find(action => action.label === label)!

  const press = ({ url, method, headers, body }: Button) =>
    fetch(url, { ...(method && { method }), ...(headers && { headers }), ...(body && { body }) })

  /** Whether whoever is on this host gets through. */
  const isOpen = (port: number): Promise<boolean> =>
    new Promise(resolve => {
      let heard = ''
      const socket = connect(port, '127.0.0.1')
      socket.on('error', () => {})
      socket.on('data', chunk => {
        heard += chunk
      })
      socket.on('close', () => resolve(heard !== ''))
    })

  /** Opens a link as somebody does who was sent it. */
  async function follow(url: string) {
    const page = await browser.newPage(PHONE)
    await page.goto(url)
    return {
      page,
      text: () => page.locator('main').textContent(),
      press: async (label: string) => {
        await page.getByRole('button', { name: label }).tap()
        await page.getByRole('status').waitFor()
      },
    }
  }

  it('is asked with all that there is to know, and opens at a button of the app, once', async () => {
    const knocking = knock('ann', 'vault')
    const { title, message, click, actions } = await published('ann')
    expect(title).toBe('ann asks: open vault?')
    expect(message).toMatch(
      /^Who: ann\/main\nWhat: open vault\nFrom: 127\.0\.0\.1\nWhen: 20\d\d-\S+Z\nUntil 20\d\d-\S+Z you can say yes or no\./,
    )
    expect(click).toMatch(new RegExp(`^${door}/approve/[\\w-]{43}$`))
    const posting = {
      action: 'http',
      url: click,
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      clear: true,
    }
    expect(actions).toEqual([
      { ...posting, label: 'Approve', body: 'answer=yes' },
      { ...posting, label: 'Deny', body: 'answer=no' },
      { action: 'view', label: 'Look', url: click },
    ])
    expect(await isOpen(ports.vault)).toBe(false)
    expect((await press(actions[0]!)).status).toBe(200)
    expect(await knocking).toMatchObject({ status: 0, said: { status: 'opened' } })
    expect(await isOpen(ports.vault)).toBe(true)
    for (const action of actions) expect((await press(action)).status).toBe(404)
    expect((await client.run(['close', 'ann', 'vault'])).status).toBe(0)
    expect(await isOpen(ports.vault)).toBe(false)
  })

  it('opens at the button of the page, which a link in a mail leads to; a preview opens nothing', async () => {
    const knocking = knock('ben', 'letters')
    const [mail] = await smtp.mails(1)
    expect(mail).toMatchObject({ to: ['ann@example.com'] })
    const link = /Look: (http\S+)/.exec(mail!.content.replaceAll('=\r\n', ''))![1]!
    tokens.add(link.split('/').at(-1)!)
    for (const method of ['HEAD', 'GET', 'GET']) await fetch(link, { method })
    const { page, text, press } = await follow(link)
    expect(await text()).toMatch(
      /Let ben in\?[\s\S]*ben\/main[\s\S]*open letters[\s\S]*127\.0\.0\.1/,
    )
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
    expect(await isOpen(ports.letters)).toBe(false)
    await press('Approve')
    expect(await text()).toContain('letters is open for 127.0.0.1')
    expect(await knocking).toMatchObject({ status: 0, said: { status: 'opened' } })
    expect(await isOpen(ports.letters)).toBe(true)
    await page.goto(link)
    expect(await text()).toContain('Nothing to answer here')
  })

  it('stays shut at a no, and whoever knocked is told', async () => {
    const knocking = client.run(['knock', 'cat', 'vault', '--otp', codeOf('cat')])
    const { press, text } = await follow((await button('cat', 'Look')).url)
    await press('Deny')
    expect(await text()).toContain('Nothing was opened.')
    const { status, stderr } = await knocking
    expect(status).toBe(4)
    expect(stderr).toContain('waiting for somebody to approve (phone)')
    expect(stderr).toContain('somebody was asked, and said no (phone); talk to whoever approves')
    expect(await isOpen(ports.vault)).toBe(false)
  })

  it('can be answered by an administrator; whoever waits no longer finds it open', async () => {
    expect(await knock('eve', 'vault', '--wait', '1s')).toMatchObject({
      status: 5,
      said: { status: 'pending', detail: 'phone' },
    })
    const { click } = await published('eve')
    // Dan's may be waiting still.
    const all: { id: string; user: string }[] = JSON.parse(
      (await daemon.command('approvals', '--json')).stdout,
    )
    const listed = all.filter(({ user }) => user === 'eve')
    expect(listed).toMatchObject([{ services: ['vault'], asked: 'eve by phone' }])
    expect((await daemon.command('approvals')).stdout).toMatch(/eve +main +vault +127\.0\.0\.1/)
    expect((await daemon.command('status')).stdout).toMatch(/waiting for a yes +[12]/)
    const { id } = listed[0]!
    const yes = await daemon.command('approve', id)
    expect(yes).toMatchObject({ status: 0, stdout: `${id} is approved, and open.\n` })
    expect(await isOpen(ports.vault)).toBe(true)
    const again = await daemon.command('deny', id)
    expect(again.stderr).toBe(
      `oneknockd: nothing waits as ${id}; see: oneknockd approvals --config ${daemon.configFile}\n`,
    )
    expect((await fetch(click)).status).toBe(404)
    await daemon.command('close', id)
  })

  it('is void once its user is locked', async () => {
    const knocking = knock('fay', 'vault')
    const approve = await button('fay', 'Approve')
    expect((await daemon.command('user', 'lock', 'fay')).status).toBe(0)
    expect((await press(approve)).status).toBe(404)
    expect(await knocking).toMatchObject({ status: 4, said: { reason: 'locked' } })
    expect(await isOpen(ports.vault)).toBe(false)
  })

  it('of which nothing comes in time: refused, and the link is dead', async () => {
    const { click } = await published('dan')
    expect(await silence).toMatchObject({
      status: 4,
      said: { status: 'refused', reason: 'approval-timeout', detail: 'phone' },
    })
    expect((await fetch(click, { method: 'POST', body: 'answer=yes' })).status).toBe(404)
    expect(await isOpen(ports.brief)).toBe(false)
  })

  it('outlives a crash of the daemon: the link still opens, and the knock hears of it', async () => {
    const knocking = knock('gus', 'vault')
    const approve = await button('gus', 'Approve')
    await daemon.end('SIGKILL')
    await daemon.start()
    expect((await press(approve)).status).toBe(200)
    expect(await knocking).toMatchObject({ status: 0, said: { status: 'opened' } })
    expect(await isOpen(ports.vault)).toBe(true)
    expect((await press(approve)).status).toBe(404)
  })

  it('leaves a trail of who asked and who answered, and no token anywhere', async () => {
    const shown = await daemon.command('audit', 'show', '--json')
    const rows: Record<string, string>[] = JSON.parse(shown.stdout)
    const of = (name: Name) => rows.find(({ user }) => user === name)
    expect(of('ann')).toMatchObject({ result: 'opened', asked: 'ann by phone', by: 'ann by phone' })
    expect(of('ben')).toMatchObject({ result: 'opened', asked: 'ann by post', by: 'ann by post' })
    expect(of('cat')).toMatchObject({ result: 'refused', why: 'denied', by: 'cat by phone' })
    expect(of('dan')).toMatchObject({ result: 'refused', why: 'timed-out' })
    expect(of('eve')).toMatchObject({ result: 'opened', by: 'an administrator' })
    expect(of('fay')).toMatchObject({ result: 'refused', why: 'locked' })
    const ledger = join(daemon.folder, 'state', 'ledger')
    const kept = readdirSync(ledger).map(file => readFileSync(join(ledger, file), 'utf8'))
    const all = [...daemon.output, ...kept, shown.stdout].join('')
    expect(tokens.size).toBe(7)
    for (const token of tokens) expect(all).not.toContain(token)
  })

  function codeOf(name: Name): string {
    return totpCode(parseTotpSecret(people.get(name)!.secret)!, totpStep(Date.now()))
  }
})
