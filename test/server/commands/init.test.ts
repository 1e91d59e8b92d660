import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { scratch, write } from '../config/scratch.ts'
import { oneknockd } from './cli.ts'

let folder: string
let file: string
beforeEach(() => {
  folder = join(scratch(), 'deep', 'er')
  file = join(folder, 'oneknockd.toml')
})

const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8)

describe('oneknockd init', () => {
  it.each(['nftables', 'gate', 'exec', 'none'])(
    '--backend %s writes what check finds right',
    async backend => {
      const where = ['--dir', folder, '--public', 'gate.example.com']
      const made = await oneknockd(['init', ...where, '--backend', backend])
      expect(made).toMatchObject({ status: 0, stderr: '' })
      expect(made.stdout).toContain(`Wrote ${file} (firewall backend: ${backend}).`)
      expect(await oneknockd(['check', '--config', file])).toEqual({
        status: 0,
        stdout: `${file} is right: 1 service, 0 users, 0 devices\n`,
        stderr: '',
      })
      expect(readdirSync(folder).sort()).toEqual(['oneknockd.toml', 'state', 'users'])
      expect([file, folder, join(folder, 'users'), join(folder, 'state')].map(mode)).toEqual([
        '644',
        '755',
        '700',
        '700',
      ])
    },
  )

  it('shows only examples that are right: with their marks taken away they still are', async () => {
    for (const backend of ['nftables', 'gate', 'exec']) {
      const one = join(folder, backend)
      await oneknockd(['init', '--dir', one, '--backend', backend])
      const path = join(one, 'oneknockd.toml')
      const text = readFileSync(path, 'utf8')
      const more = text.replaceAll(/^# (?=(\[services|\[http|[a-z_]+ +=))/gm, '')
      expect(more).toContain('\n[http]\nlisten ')
      write(path, more, 0o644)
      expect(await oneknockd(['check', '-c', path])).toMatchObject({ status: 0, stderr: '' })
    }
  })

  it('takes the address that clients use, with or without a port', async () => {
    await oneknockd(['init', '--dir', folder, '--public', 'gate.example.com'])
    expect(readFileSync(file, 'utf8')).toContain('public = "gate.example.com:62201"\n')
    const other = join(folder, 'other')
    await oneknockd(['init', '--dir', other, '--public', '[2001:db8::1]:5000'])
    expect(readFileSync(join(other, 'oneknockd.toml'), 'utf8')).toContain(
      'public = "[2001:db8::1]:5000"\n',
    )
    // Or no knock would arrive.
    expect(readFileSync(join(other, 'oneknockd.toml'), 'utf8')).toContain(
      'listen = ["[::]:5000"]\n',
    )
    const third = join(folder, 'third')
    const guessed = await oneknockd(['init', '--dir', third])
    expect(guessed.stderr).toBe(
      `Invitations will say ${hostname()}; if clients do not find it by that name, change "public".\n`,
    )
    expect(readFileSync(join(third, 'oneknockd.toml'), 'utf8')).toContain(
      `public = "${hostname()}:62201"\n`,
    )
  })

  it('writes where --config or the environment says', async () => {
    mkdirSync(folder, { recursive: true })
    const env = { ONEKNOCKD_CONFIG: 'here.toml' }
    expect(await oneknockd(['init'], { env, cwd: folder })).toMatchObject({ status: 0 })
    expect(readdirSync(folder).sort()).toEqual(['here.toml', 'state', 'users'])
    expect(await oneknockd(['check'], { env, cwd: folder })).toMatchObject({ status: 0 })
    const elsewhere = join(folder, 'x', 'y.toml')
    expect(await oneknockd(['--config', elsewhere, 'init'], { env })).toMatchObject({ status: 0 })
    expect(existsSync(elsewhere)).toBe(true)
  })

  it('never overwrites', async () => {
    mkdirSync(folder, { recursive: true })
    write(file, 'mine')
    expect(await oneknockd(['init', '--dir', folder])).toEqual({
      status: 1,
      stdout: '',
      stderr: `oneknockd: ${file} exists already, and was left as it is; to look for mistakes run: oneknockd check --config ${file}\n`,
    })
    expect(readFileSync(file, 'utf8')).toBe('mine')
    expect(readdirSync(folder)).toEqual(['oneknockd.toml'])
  })

  it('leaves nothing behind if it fails', async () => {
    mkdirSync(folder, { recursive: true })
    mkdirSync(join(folder, 'state'))
    const failed = await oneknockd(['init', '--dir', folder])
    expect(failed).toMatchObject({ status: 1, stdout: '' })
    expect(failed.stderr).toBe(
      `oneknockd: ${folder}/state: found mode 0755; others can read it; run: chmod 700 ${folder}/state\n`,
    )
    expect(readdirSync(folder)).toEqual(['state'])
  })

  it.each([
    [
      ['--public', 'not a host'],
      '--public "not a host" is no host and port; write --public gate.example.com:62201',
    ],
    [
      ['--backend', 'iptables'],
      "option '-b, --backend <backend>' argument 'iptables' is invalid. Allowed choices are nftables, ipset, gate, exec, none; for help: oneknockd init --help",
    ],
  ])('%s is refused in one line', async (args, line) => {
    expect(await oneknockd(['init', '--dir', folder, ...args])).toEqual({
      status: 1,
      stdout: '',
      stderr: `oneknockd: ${line}\n`,
    })
    expect(existsSync(folder)).toBe(false)
  })
})
