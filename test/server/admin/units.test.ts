import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { RECEIVE_BUFFER_BYTES } from '../../../server/src/core/limits.ts'
import { holdNamespace, Namespace } from '../../netns/namespace.ts'
import { isRoot, lacking, run } from '../commands/cli.ts'

const SHIPPED = fileURLToPath(new URL('../../../server/systemd', import.meta.url))
const UNITS = ['oneknockd.service', 'oneknock-guard.service', 'oneknockd-helper.service']
/** `systemd-analyze security` in tenths. */
const EXPOSURE_MAX = 20

const has = (program: string): boolean => spawnSync(program, ['--version']).status === 0
const hasSystemd = has('systemd-analyze') && existsSync('/usr/lib/systemd/system')
if (!hasSystemd) console.warn('skipped: units (needs the package systemd)')

describe.skipIf(lacking(hasSystemd))('the systemd units', () => {
  let root: string
  const units = () => join(root, 'etc/systemd/system')

  /** A root of its own, with this host's units beside ours, and programs by name alone. */
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), 'oneknock-units-'))
    for (const folder of ['etc/systemd/system', 'usr/lib/systemd', 'usr/local/bin', 'usr/bin']) {
      mkdirSync(join(root, folder), { recursive: true })
    }
    for (const link of ['lib', 'bin']) symlinkSync(`usr/${link}`, join(root, link))
    cpSync('/usr/lib/systemd/system', join(root, 'usr/lib/systemd/system'), { recursive: true })
    for (const program of ['usr/local/bin/oneknockd', 'usr/bin/sh', 'usr/bin/nft']) {
      writeFileSync(join(root, program), '#!/bin/sh\n', { mode: 0o755 })
    }
    for (const unit of UNITS) cpSync(join(SHIPPED, unit), join(units(), unit))
  })
  afterAll(() => rmSync(root, { recursive: true }))

  const verify = (...names: string[]) =>
    run([
      'systemd-analyze',
      'verify',
      '--man=no',
      `--root=${root}`,
      ...names.map(name => join(units(), name)),
    ])

  it('are right, and order themselves without a circle', async () => {
    expect(await verify(...UNITS)).toEqual({ status: 0, stdout: '', stderr: '' })
  })

  it('are right with the drop-ins for ipset, too', async () => {
    for (const unit of ['oneknockd', 'oneknock-guard']) {
      const folder = `${unit}.service.d`
      cpSync(join(SHIPPED, 'ipset', folder), join(units(), folder), { recursive: true })
    }
    expect(await verify(...UNITS)).toEqual({ status: 0, stdout: '', stderr: '' })
    const dropIn = join(units(), 'oneknockd.service.d/ipset.conf')
    writeFileSync(dropIn, readFileSync(dropIn, 'utf8').replace('Ambient', 'Ambiant'))
    expect((await verify(...UNITS)).stderr).toContain('Ambiant')
    for (const unit of ['oneknockd', 'oneknock-guard']) {
      rmSync(join(units(), `${unit}.service.d`), { recursive: true })
    }
  })

  it('would not pass with a slip in them', async () => {
    const text = readFileSync(join(SHIPPED, 'oneknockd.service'), 'utf8')
    writeFileSync(join(units(), 'slip.service'), text.replace('ProtectHome', 'ProtectHone'))
    expect((await verify('slip.service')).stderr).toContain('ProtectHone')
  })

  it(`leave the daemon an exposure of ${EXPOSURE_MAX / 10} at most`, async () => {
    const rate = (unit: string) =>
      run([
        'systemd-analyze',
        'security',
        '--offline=true',
        '--no-pager',
        `--threshold=${EXPOSURE_MAX}`,
        unit,
      ])
    expect((await rate(join(SHIPPED, 'oneknockd.service'))).status).toBe(0)
    const lax = join(units(), 'lax.service')
    const text = readFileSync(join(SHIPPED, 'oneknockd.service'), 'utf8')
    writeFileSync(lax, text.replace(/^(Protect|Private)\w+=.*\n/gm, ''))
    expect((await rate(lax)).status).not.toBe(0)
  })

  it.skipIf(lacking(isRoot))(
    'find an account and folders that are as the daemon wants them',
    async () => {
      const made = join(root, 'made')
      mkdirSync(join(made, 'etc'), { recursive: true })
      const make = async (...command: string[]) => {
        const { status, stderr } = await run(command)
        if (status !== 0) throw new Error(stderr)
      }
      await make('systemd-sysusers', `--root=${made}`, join(SHIPPED, 'sysusers.d/oneknock.conf'))
      const [, , uid] = /^oneknock:.*$/m
        .exec(readFileSync(join(made, 'etc/passwd'), 'utf8'))![0]
        .split(':')
      expect(uid).toBeDefined()
      await make(
        'systemd-tmpfiles',
        '--create',
        `--root=${made}`,
        join(SHIPPED, 'tmpfiles.d/oneknock.conf'),
      )
      const modes = ['etc/oneknock', 'etc/oneknock/users', 'var/lib/oneknock'].map(folder => {
        const { mode, uid } = statSync(join(made, folder))
        return [folder, (mode & 0o777).toString(8), uid]
      })
      expect(modes).toEqual([
        ['etc/oneknock', '755', 0],
        ['etc/oneknock/users', '700', Number(uid)],
        ['var/lib/oneknock', '700', Number(uid)],
      ])

      const lock = join(made, 'run/xtables.lock')
      mkdirSync(join(made, 'run'), { recursive: true })
      writeFileSync(lock, '', { mode: 0o600 })
      const forLegacy = join(SHIPPED, 'ipset/tmpfiles.d/oneknock-xtables.conf')
      await make('systemd-tmpfiles', '--create', `--root=${made}`, forLegacy)
      const [, , gid] = /^oneknock:.*$/m
        .exec(readFileSync(join(made, 'etc/group'), 'utf8'))![0]
        .split(':')
      expect(statSync(lock)).toMatchObject({ mode: 0o100640, uid: 0, gid: Number(gid) })
    },
  )
})

it('sysctl lets the daemon have the buffer that it asks for', () => {
  const text = readFileSync(join(SHIPPED, 'sysctl.d/60-oneknock.conf'), 'utf8')
  expect(text).toContain(`\nnet.core.rmem_max = ${RECEIVE_BUFFER_BYTES}\n`)
})

describe.skipIf(lacking(isRoot))('what the guard unit runs', () => {
  let host: Namespace
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'oneknock-units-'))
    host = new Namespace(await holdNamespace())
  })
  afterAll(async () => {
    await host?.destroy()
    rmSync(folder, { recursive: true })
  })

  it('loads the guard, leaves one that is there, and fails where there is none afterwards', async () => {
    const text = readFileSync(join(SHIPPED, 'oneknock-guard.service'), 'utf8')
    const file = join(folder, 'guard.nft')
    const [, line = ''] = /^ExecStart=\/bin\/sh -c '(.*)'$/m.exec(text) ?? []
    expect(/^ExecReload=\/bin\/sh -c '(.*)'$/m.exec(text)?.[1]).toBe(line)
    const start = () => host.tryRun(['sh', '-c', line.replaceAll('/etc/oneknock/guard.nft', file)])
    const sets = () => host.run('nft', 'list', 'sets', 'table', 'inet', 'oneknock')

    writeFileSync(
      file,
      'create table inet oneknock\ntable inet oneknock { set here { type mark; }; }\n',
    )
    expect(await start()).toMatchObject({ status: 0 })
    await host.nft('add set inet oneknock added { type mark; }')
    expect(await start()).toMatchObject({ status: 0 })
    expect(await sets()).toMatch(/set here[\s\S]*set added/)
    await host.nft('flush ruleset')
    expect(await start()).toMatchObject({ status: 0 })
    expect(await sets()).not.toContain('added')
    await host.nft('flush ruleset')
    writeFileSync(file, 'nonsense\n')
    chmodSync(file, 0o600)
    expect((await start()).status).not.toBe(0)
  })
})
