import { appendFileSync, readdirSync, readFileSync } from 'node:fs'
import { connect, type Server } from 'node:net'
import { join } from 'node:path'
import { parseTotpSecret, totpCode, totpStep } from '@oneknock/shared'
import type { Browser } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { askDaemon } from '../../server/src/control.ts'
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
  /** Nobody answers their knock, while all the others are answered. */
  let dan: Enrolment
  let silence: ReturnType<typeof knock>
  let people = 0
  const ports = { vault: 0, letters: 0, brief: 0 }
  /** Every token that was sent. */
  const tokens = new Set<string>()
  /** What daemons printed that have ended. */
  const printed: string[] = []

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
    await enrol('ann')
    await daemon.start()
    dan = await someone('dan')
    silence = knock(dan, 'brief')
  }, 60_000)

  /** Every host here is 127.0.0.1: what one test opened would be open to the next. */
  afterEach(async () => {
    const state = join(daemon.folder, 'state')
    const grants = (await askDaemon(state, { command: 'grants' })) as { grant: string }[]
    for (const { grant } of grants) await askDaemon(state, { command: 'close', grant })
  })

  afterAll(async () => {
    client?.remove()
    await daemon?.remove()
    house?.close()
    await Promise.all([ntfy?.stop(), smtp?.stop(), browser?.close()])
    program?.remove()
  })

  async function enrol(name: string): Promise<Enrolment> {
    const enrolled = await daemon.enrol(name, 'vault,letters,brief')
    await client.add(enrolled)
    const contact = `\n[contact]\nntfy = "topic-of-${name}"\nmail = "${name}@example.com"\n`
    appendFileSync(join(daemon.folder, 'users', `${name}.toml`), contact)
    return enrolled
  }

  /** Somebody about whom nobody was asked yet; the running daemon knows how to reach them. */
  async function someone(name: string): Promise<Enrolment> {
    const enrolled = await enrol(`${name}-${++people}`)
    expect((await daemon.command('reload')).status).toBe(0)
    return enrolled
  }

  const knock = (who: Enrolment, ...args: readonly string[]) => client.knock(who, ...args)

  /** What was published for them, once it was. */
  async function published({ user }: Enrolment) {
    const mine = () =>
      ntfy.received
        .map(({ body }) => JSON.parse(body))
        .filter(({ topic }) => topic === `topic-of-${user}`)
    const [said] = await until(mine, all => all.length > 0, 20_000)
    tokens.add(said.click.split('/').at(-1))
    return said as { title: string; message: string; click: string; actions: Button[] }
  }

  const button = async (who: Enrolment, label: string): Promise<Button> =>
    (await published(who)).actions.find(action => action.label === label)!

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

  /** What is on record about somebody, of a knock that was asked about. */
  async function recorded({ user }: Enrolment) {
    const shown = await daemon.command('audit', 'show', '--user', user, '--json')
    return JSON.parse(shown.stdout) as Record<string, string>[]
  }

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
    const cleo = await someone('cleo')
    const knocking = knock(cleo, 'vault')
    const { title, message, click, actions } = await published(cleo)
    expect(title).toBe(`${cleo.user} asks: open vault?`)
    expect(message).toMatch(
      /^Who: cleo-\d+\/main\nWhat: open vault\nFrom: 127\.0\.0\.1\nWhen: 20\d\d-\S+Z\nUntil 20\d\d-\S+Z you can say yes or no\./,
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
    expect((await client.run(['close', cleo.user, 'vault'])).status).toBe(0)
    expect(await isOpen(ports.vault)).toBe(false)
    const asked = `${cleo.user} by phone`
    expect((await recorded(cleo))[0]).toMatchObject({ result: 'opened', asked, by: asked })
  })

  it('opens at the button of the page, which a link in a mail leads to; a preview opens nothing', async () => {
    const ben = await someone('ben')
    const knocking = knock(ben, 'letters')
    const mail = await smtp.mail(ben.user)
    expect(mail).toMatchObject({ to: ['ann@example.com'] })
    const link = /Look: (http\S+)/.exec(mail.content.replaceAll('=\r\n', ''))![1]!
    tokens.add(link.split('/').at(-1)!)
    for (const method of ['HEAD', 'GET', 'GET']) await fetch(link, { method })
    const { page, text, press } = await follow(link)
    expect(await text()).toMatch(
      /Let ben-\d+ in\?[\s\S]*ben-\d+\/main[\s\S]*open letters[\s\S]*127\.0\.0\.1/,
    )
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
    expect(await isOpen(ports.letters)).toBe(false)
    await press('Approve')
    expect(await text()).toContain('letters is open for 127.0.0.1')
    expect(await knocking).toMatchObject({ status: 0, said: { status: 'opened' } })
    expect(await isOpen(ports.letters)).toBe(true)
    await page.goto(link)
    expect(await text()).toContain('Nothing to answer here')
    const asked = 'ann by post'
    expect(await recorded(ben)).toMatchObject([{ result: 'opened', asked, by: asked }])
  })

  it('stays shut at a no, and whoever knocked is told', async () => {
    const cat = await someone('cat')
    const knocking = client.run(['knock', cat.user, 'vault', '--otp', codeOf(cat)])
    const { press, text } = await follow((await button(cat, 'Look')).url)
    await press('Deny')
    expect(await text()).toContain('Nothing was opened.')
    const { status, stderr } = await knocking
    expect(status).toBe(4)
    expect(stderr).toContain('waiting for somebody to approve (phone)')
    expect(stderr).toContain('somebody was asked, and said no (phone); talk to whoever approves')
    expect(await isOpen(ports.vault)).toBe(false)
    expect(await recorded(cat)).toMatchObject([
      { result: 'refused', why: 'denied', by: `${cat.user} by phone` },
    ])
  })

  it('can be answered by an administrator; whoever waits no longer finds it open', async () => {
    const eve = await someone('eve')
    expect(await knock(eve, 'vault', '--wait', '1s')).toMatchObject({
      status: 5,
      said: { status: 'pending', detail: 'phone' },
    })
    const { click } = await published(eve)
    // Others may be waiting still.
    const all: { id: string; user: string }[] = JSON.parse(
      (await daemon.command('approvals', '--json')).stdout,
    )
    const listed = all.filter(({ user }) => user === eve.user)
    expect(listed).toMatchObject([{ services: ['vault'], asked: `${eve.user} by phone` }])
    expect((await daemon.command('approvals')).stdout).toMatch(/eve-\d+ +main +vault +127\.0\.0\.1/)
    expect((await daemon.command('status')).stdout).toMatch(/waiting for a yes +[1-9]/)
    const { id } = listed[0]!
    const yes = await daemon.command('approve', id)
    expect(yes).toMatchObject({ status: 0, stdout: `${id} is approved, and open.\n` })
    expect(await isOpen(ports.vault)).toBe(true)
    const again = await daemon.command('deny', id)
    expect(again.stderr).toBe(
      `oneknockd: nothing waits as ${id}; see: oneknockd approvals --config ${daemon.configFile}\n`,
    )
    expect((await fetch(click)).status).toBe(404)
    expect(await recorded(eve)).toMatchObject([{ result: 'opened', by: 'an administrator' }])
  })

  it('is void once its user is locked', async () => {
    const fay = await someone('fay')
    const knocking = knock(fay, 'vault')
    const approve = await button(fay, 'Approve')
    expect((await daemon.command('user', 'lock', fay.user)).status).toBe(0)
    expect((await press(approve)).status).toBe(404)
    expect(await knocking).toMatchObject({ status: 4, said: { reason: 'locked' } })
    expect(await isOpen(ports.vault)).toBe(false)
    expect(await recorded(fay)).toMatchObject([{ result: 'refused', why: 'locked' }])
  })

  it('of which nothing comes in time: refused, and the link is dead', async () => {
    const { click } = await published(dan)
    expect(await silence).toMatchObject({
      status: 4,
      said: { status: 'refused', reason: 'approval-timeout', detail: 'phone' },
    })
    expect((await fetch(click, { method: 'POST', body: 'answer=yes' })).status).toBe(404)
    expect(await isOpen(ports.brief)).toBe(false)
    expect(await recorded(dan)).toMatchObject([{ result: 'refused', why: 'timed-out' }])
  })

  it('outlives a crash of the daemon: the link still opens, and the knock hears of it', async () => {
    const gus = await someone('gus')
    const knocking = knock(gus, 'vault')
    const approve = await button(gus, 'Approve')
    await daemon.end('SIGKILL')
    printed.push(...daemon.output)
    await daemon.start()
    expect((await press(approve)).status).toBe(200)
    expect(await knocking).toMatchObject({ status: 0, said: { status: 'opened' } })
    expect(await isOpen(ports.vault)).toBe(true)
    expect((await press(approve)).status).toBe(404)
  })

  it('leaves no token anywhere', async () => {
    const hal = await someone('hal')
    await knock(hal, 'vault', '--wait', '1s')
    await published(hal)
    const ledger = join(daemon.folder, 'state', 'ledger')
    const kept = readdirSync(ledger).map(file => readFileSync(join(ledger, file), 'utf8'))
    expect(kept.join('')).toContain(`"user":"${hal.user}"`)
    const shown = await daemon.command('audit', 'show', '--json')
    const all = [...printed, ...daemon.output, ...kept, shown.stdout].join('')
    for (const token of tokens) expect(all).not.toContain(token)
  })

  function codeOf({ secret }: Enrolment): string {
    return totpCode(parseTotpSecret(secret)!, totpStep(Date.now()))
  }
})
