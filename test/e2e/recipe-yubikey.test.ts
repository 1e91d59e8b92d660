import { execFileSync } from 'node:child_process'
import { chownSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { askDaemon, type Request } from '../../server/src/control.ts'
import { describeWithNamespaces, type Lab, openLab } from '../netns/lab.ts'
import { until } from '../server/kit.ts'
import { hasBrowser, openBrowserOn, PHONE } from './browser.ts'
import { buildDaemon, Client, Daemon } from './daemon.ts'
import { Recipe } from './recipe.ts'

/*
 * docs/recipes/a-yubikey-in-front-of-any-service.md as it is written: the real daemon guards a real
 * port in the lab's server, and people come with what they have, over IPv4 and IPv6.
 */

const recipe = new Recipe('a-yubikey-in-front-of-any-service')
const WIKI = 8443
const DOOR = 8975
const NOBODY = 65534

describeWithNamespaces('a YubiKey in front of any service', () => {
  let lab: Lab
  let program: Awaited<ReturnType<typeof buildDaemon>>
  let daemon: Daemon

  beforeAll(async () => {
    ;[lab, program] = await Promise.all([openLab(), buildDaemon()])
    daemon = new Daemon(lab.server, program.path, folder =>
      recipe.file('/etc/oneknock/oneknockd.toml', {
        'gate.example.com:62201': `${lab.server.v4}:62201`,
        '/var/lib/oneknock': `${folder}/state`,
      }),
    )
    const anna = join(daemon.folder, 'users', 'anna.toml')
    writeFileSync(anna, recipe.file('/etc/oneknock/users/anna.toml'), { mode: 0o600 })
    chownSync(anna, NOBODY, NOBODY)
    await lab.server.listen('tcp', WIKI)
    expect(await daemon.command('check')).toMatchObject({ status: 0 })
    await daemon.start()
  }, 60_000)

  afterEach(async () => {
    for (const { grant } of await grants()) await ask({ command: 'close', grant })
  })

  afterAll(async () => {
    await daemon?.remove()
    await lab?.close()
    program?.remove()
  })

  const ask = (request: Request) => askDaemon(join(daemon.folder, 'state'), request)
  const grants = async () => (await ask({ command: 'grants' })) as { grant: string }[]

  let touches = 0
  /** What the key of the recipe types when it is touched once more. */
  function touch(): string {
    touches++
    const user = recipe.file('/etc/oneknock/users/anna.toml')
    const value = (name: string) => new RegExp(`${name} += "([0-9a-z]+)"`).exec(user)![1]!
    const counters = ['0001', 'c6b1', '19', touches.toString(16).padStart(2, '0')]
    const block = execFileSync('ykgenerate', [value('key'), value('private_id'), ...counters])
    return value('public_id') + block.toString().trim()
  }

  const places = () =>
    [
      [lab.server.v4, lab.server.v4, lab.client.v4],
      [`[${lab.server.v6}]`, lab.server.v6, lab.client.v6],
    ] as const

  const ways: [string, (host: string, address: string, otp: string) => [string[], string?]][] = [
    ['curl', (host, _, otp) => [['curl', '-s', '-f', `http://${host}:${DOOR}/${otp}`]]],
    ['wget', (host, _, otp) => [['wget', '-qO-', `http://${host}:${DOOR}/${otp}`]]],
    ['nc', (_, address, otp) => [['nc', '-N', '-w', '5', address, String(DOOR)], `${otp}\n`]],
  ]

  it.each(ways)(
    '%s opens the port for where it comes from, once, and for nobody else',
    async (_, way) => {
      for (const [host, address, own] of places()) {
        expect(await lab.client.probe('tcp', address, WIKI)).toBe('silent')
        const [command, input] = way(host, address, touch())
        const first = await lab.client.tryRun(command, input)
        expect(first).toMatchObject({ status: 0 })
        expect(first.stdout).toMatch(
          new RegExp(`^open: wiki for ${own} until .* UTC \\(10h\\)\\n$`),
        )
        expect(await lab.client.reach('tcp', address, WIKI)).toBe('open')
        const again = await lab.stranger.tryRun(command, input)
        expect(again.stdout).not.toMatch(/^open:/)
        expect(await lab.stranger.probe('tcp', address, WIKI)).toBe('silent')
      }
    },
  )

  it('a browser types a touch into the page, and sees what opened', async () => {
    const browser = await openBrowserOn(lab.client)
    try {
      const page = await browser.newPage(PHONE)
      for (const [host, address, own] of places()) {
        await page.goto(`http://${host}:${DOOR}/`)
        await page.getByLabel('Code').fill(touch())
        await page.getByLabel('Code').press('Enter')
        await page.getByRole('heading', { name: 'Open', exact: true }).waitFor()
        expect(await page.locator('dd').allTextContents()).toEqual([
          'wiki',
          own,
          expect.stringContaining('(10h)'),
        ])
        expect(await lab.client.reach('tcp', address, WIKI)).toBe('open')
        expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(360)
      }
      await page.goto(`http://${lab.server.v4}:${DOOR}/anna:000000`)
      await page.getByText('The name or the code is wrong').waitFor()
    } finally {
      await browser.close()
    }
  })

  it('nothing of a code is in the log or in the ledger', async () => {
    const otp = touch()
    const { stdout } = await lab.client.tryRun([
      'curl',
      '-s',
      `http://${lab.server.v4}:${DOOR}/${otp}`,
    ])
    expect(stdout).toMatch(/^open:/)
    await until(grants, list => list.length === 1)
    const ledger = await daemon.command('audit', 'show', '--json')
    expect(ledger.stdout).toContain('anna')
    expect(ledger.stdout + daemon.output.join('')).not.toContain(otp)
    const { stdout: status } = await daemon.command('status')
    expect(status).toMatch(/door http +\[::\]:8975 \(plain\), \d+ connections? now; .*opened/)
  })

  it('a client that UDP does not reach knocks through the door, and doctor says so', async () => {
    const enrolled = await daemon.enrol('bert', 'wiki')
    const client = new Client(lab.client)
    try {
      await lab.server.nft(
        'table inet dropping { chain in { type filter hook prerouting priority raw; udp dport 62201 drop; }; }',
      )
      const http = encodeURIComponent(`http://${lab.server.v4}:${DOOR}`)
      const invitation = enrolled.invitation.replace(/&http=[^&]*/, `&http=${http}`)
      expect(enrolled.invitation).toContain('&http=http%3A%2F%2Fgate.example.com%3A8975')
      await client.add({ ...enrolled, invitation })
      const { said, status, stderr } = await client.knock(enrolled, 'wiki')
      expect(stderr).toBe('')
      expect({ said, status }).toMatchObject({ said: { status: 'opened' }, status: 0 })
      expect(await lab.client.reach('tcp', lab.server.v4, WIKI)).toBe('open')
      const { stdout } = await client.run(['doctor', 'bert'])
      expect(stdout).toMatch(/^warn {2}reply .*no reply/m)
      expect(stdout).toMatch(/^ok {4}http .*answers/m)
      expect(stdout).toMatch(/^ok {4}device /m)
    } finally {
      client.remove()
      await daemon.command('user', 'remove', 'bert')
      await lab.server.nft('table inet dropping\ndelete table inet dropping')
    }
  })
}, ['curl', 'wget', 'nc', 'ykgenerate', ...(hasBrowser ? [] : ['chromium'])])
