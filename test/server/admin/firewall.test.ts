import { existsSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { buildDaemon, Daemon } from '../../e2e/daemon.ts'
import { describeWithNamespaces, type Lab, openLab } from '../../netns/lab.ts'
import { until } from '../kit.ts'

const SSH = 22
const GATE = 'gate = { listen = "127.0.0.1:2222", forward = "127.0.0.1:22" }'
const TRIAL_S = 5
/** For a dozen commands, each of which starts Node. */
const MANY_COMMANDS = { timeout: 90_000 }

const config = (
  backend: 'nftables' | 'ipset' | 'gate' = 'nftables',
  door = `ports = ["tcp/${SSH}"]`,
) => `
listen = ["[::]:62201"]
public = "10.77.0.1:62201"
state = "state"

[firewall]
backend = "${backend}"

[services.ssh]
${door}
`

describeWithNamespaces('oneknockd firewall', () => {
  let lab: Lab
  let program: Awaited<ReturnType<typeof buildDaemon>>
  let daemon: Daemon

  beforeAll(async () => {
    ;[lab, program] = await Promise.all([openLab(), buildDaemon()])
  })
  beforeEach(async () => {
    await lab.server.listen('tcp', SSH)
    daemon = new Daemon(lab.server, program.path, () => config())
  })
  afterEach(async () => {
    await daemon.remove()
    await Promise.all([lab.server, lab.client, lab.stranger].map(host => host.rest()))
    await lab.server.nft('flush ruleset')
    await lab.server.tryRun(['ipset', 'destroy'])
  })
  afterAll(async () => {
    await lab?.close()
    program?.remove()
  })

  const bootFile = (kind: 'nft' | 'sh' = 'nft') => join(daemon.folder, `guard.${kind}`)
  const stranger = () => lab.stranger.probe('tcp', lab.server.v4, SSH)
  const letsGo = () => until(stranger, answer => answer === 'open', TRIAL_S * 1000 + 5000)

  async function command(...args: string[]): Promise<string> {
    const { status, stdout, stderr } = await daemon.command(...args)
    if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
    return stdout
  }

  const json = async (...args: string[]) => JSON.parse(await command(...args, '--json'))

  it('does the same with ipset: on trial, for good, and gone', MANY_COMMANDS, async () => {
    await daemon.remove()
    daemon = new Daemon(lab.server, program.path, () => config('ipset'), 'ipset')
    const guard = async () =>
      JSON.parse((await daemon.command('doctor', '--json')).stdout).find(
        ({ check }: { check: string }) => check === 'guard',
      )
    expect((await guard()).state).toBe('problem')
    expect((await json('firewall', 'try', `${TRIAL_S}s`)).guard).toBe('on trial')
    expect(await stranger()).toBe('silent')
    expect((await guard()).state).toBe('warning')
    await letsGo()
    expect(await command('firewall', 'apply')).toContain('stands for good')
    expect(await stranger()).toBe('silent')
    expect(await guard()).toMatchObject({ state: 'fine', found: `stands for tcp/${SSH}` })
    await daemon.start()
    expect(await command('firewall', 'apply')).toContain(`for the next boot in ${bootFile('sh')}`)
    expect(await stranger()).toBe('silent')
    await daemon.end('SIGTERM')
    expect(await stranger()).toBe('silent')
    expect(statSync(bootFile('sh')).mode & 0o777).toBe(0o600)
    expect(readFileSync(bootFile('sh'), 'utf8')).toBe(await command('firewall', 'show'))
    expect(await json('firewall', 'remove')).toEqual({ removed: true, forgotten: true })
    expect(existsSync(bootFile('sh'))).toBe(false)
    expect(await stranger()).toBe('open')
    expect(await lab.server.run('ipset', 'list', '-name')).toBe('')
    expect((await json('firewall', 'remove')).removed).toBe(false)
  })

  it(
    'leaves nothing of a former backend, which would stay closed for everybody',
    MANY_COMMANDS,
    async () => {
      await daemon.remove()
      daemon = new Daemon(lab.server, program.path, () => config('nftables'), 'ipset')
      const guards = async () =>
        JSON.parse((await daemon.command('doctor', '--json')).stdout)
          .filter(({ check }: { check: string }) => check === 'guard')
          .map(({ state, found }: Record<string, string>) => `${state} ${found}`)
      const former = expect.stringContaining('problem that of a former backend stands as well')
      const fine = `fine stands for tcp/${SSH}`

      await command('firewall', 'apply')
      writeFileSync(daemon.configFile, config('ipset'))
      expect(await guards()).toContainEqual(former)
      await command('firewall', 'apply')
      expect(await guards()).toEqual([fine])
      expect(existsSync(bootFile())).toBe(false)
      expect(await stranger()).toBe('silent')

      writeFileSync(daemon.configFile, config('nftables'))
      expect(await guards()).toContainEqual(former)
      await command('firewall', 'apply')
      expect(await guards()).toEqual([fine])
      expect(existsSync(bootFile('sh'))).toBe(false)
      expect(await lab.server.run('ipset', 'list', '-name')).toBe('')
      writeFileSync(daemon.configFile, config('ipset'))
      expect(await json('firewall', 'remove')).toEqual({ removed: true, forgotten: true })
      expect(await stranger()).toBe('open')
    },
  )

  it(
    'takes away what a former backend left behind one that has no guard',
    MANY_COMMANDS,
    async () => {
      await daemon.remove()
      daemon = new Daemon(lab.server, program.path, () => config(), 'ipset')
      const guards = async () =>
        JSON.parse((await daemon.command('doctor', '--json')).stdout)
          .filter(({ check }: { check: string }) => check === 'guard')
          .map(({ remedy }: Record<string, string>) => remedy)
      for (const backend of ['nftables', 'ipset'] as const) {
        writeFileSync(daemon.configFile, config(backend))
        await command('firewall', 'apply')
        writeFileSync(daemon.configFile, config('gate', GATE))
        expect(await stranger()).toBe('silent')
        expect(await guards()).toEqual([
          `run: oneknockd firewall remove --config ${daemon.configFile}`,
        ])
        expect(await json('firewall', 'remove')).toEqual({ removed: true, forgotten: true })
        expect(await stranger()).toBe('open')
        expect(await guards()).toEqual([])
      }
    },
  )

  it('try lets go by itself, with no process there; apply stands for good, and at boot', async () => {
    const session = await lab.client.connect('tcp', lab.server.v4, SSH)
    const tried = await json('firewall', 'try', `${TRIAL_S}s`)
    expect(tried.guard).toBe('on trial')
    expect(await stranger()).toBe('silent')
    expect(await lab.stranger.probe('tcp', lab.server.v6, SSH)).toBe('silent')
    expect(await session.speaks()).toBe(true)
    await letsGo()

    // Whoever came in meanwhile was judged by nobody, and is not hung up on.
    const meanwhile = await lab.stranger.connect('tcp', lab.server.v4, SSH)
    expect(existsSync(bootFile())).toBe(false)
    expect(await command('firewall', 'apply')).toContain(`saved for the next boot in ${bootFile()}`)
    expect(await stranger()).toBe('silent')
    for (const living of [session, meanwhile]) expect(await living.speaks()).toBe(true)

    expect(statSync(bootFile()).mode & 0o777).toBe(0o600)
    expect(readFileSync(bootFile(), 'utf8')).toBe(await command('firewall', 'show'))
    // A table that is there, with people in it, is not replaced.
    expect((await lab.server.tryRun(['nft', '-f', bootFile()])).status).not.toBe(0)
    expect(await session.speaks()).toBe(true)
    await lab.server.nft('flush ruleset')
    expect(await stranger()).toBe('open')
    await lab.server.run('nft', '-f', bootFile())
    expect(await stranger()).toBe('silent')

    expect(await json('firewall', 'remove')).toEqual({ removed: true, forgotten: true })
    expect(await stranger()).toBe('open')
    expect(existsSync(bootFile())).toBe(false)
    expect(await json('firewall', 'remove')).toEqual({ removed: false, forgotten: false })
  })

  it(
    'a guard that stands can be tried too; a daemon goes on with a trial, and knows when it is over',
    MANY_COMMANDS,
    async () => {
      await daemon.start()
      expect(await stranger()).toBe('silent')
      await json('firewall', 'try', '1m')
      await daemon.end('SIGKILL')
      await daemon.start()
      const { guard } = await json('status')
      expect(guard.guard).toBe('on trial')
      expect(await stranger()).toBe('silent')
      await lab.server.nft('flush ruleset')
      await until(stranger, answer => answer === 'silent')
      expect((await json('status')).guard).toEqual(guard)
      await json('firewall', 'try', `${TRIAL_S}s`)
      await letsGo()
      await until(
        () => json('status'),
        status => status.guard.guard === 'let go',
      )
      const { stdout } = await daemon.command('doctor')
      expect(stdout).toContain('guard: its trial ran out: nothing is guarded, all is open')
      // Nor does a restart lock anybody out who was let out.
      await daemon.end('SIGKILL')
      await daemon.start()
      expect(await stranger()).toBe('open')
      const happened = (await json('audit', 'show')).map((row: { result: string }) => row.result)
      expect(happened).toEqual(expect.arrayContaining(['guard-on-trial', 'guard-let-go']))

      await command('firewall', 'apply')
      expect(await stranger()).toBe('silent')
      expect((await json('status')).guard).toEqual({ guard: 'for good' })
      const refused = await daemon.command('firewall', 'remove')
      expect(refused).toMatchObject({ status: 1, stdout: '' })
      expect(refused.stderr).toContain('stop it first')
    },
  )

  it('try takes a time in which one can knock, and which one remembers', async () => {
    for (const duration of ['soon', '1s', '2d']) {
      const refused = await daemon.command('firewall', 'try', duration)
      expect(refused).toMatchObject({ status: 1, stdout: '' })
      expect(refused.stderr).toContain('write for how long, from "5s" to "1d"')
    }
  })
})
