import {
  appendFileSync,
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { write } from '../config/scratch.ts'
import { canMount, isRoot, lacking, MAIN, run, UNSHARE } from './cli.ts'
import { type Site, site } from './site.ts'

let s: Site
beforeEach(() => {
  s = site()
})

/** The program in a shell that prepares the ground first. */
const inShell = (prepare: string, args: readonly string[]) =>
  run(['sh', '-c', `${prepare} && exec "$@"`, 'sh', ...command(), ...args])

const command = () => [process.execPath, MAIN, '--config', s.config]

const mode = (path: string) => (statSync(path).mode & 0o7777).toString(8)

describe('modes', () => {
  it.each(['000', '777'])('are the same with umask %s', async umask => {
    const added = await inShell(`umask ${umask}`, ['user', 'add', 'alice', '-s', 'web'])
    expect(added).toMatchObject({ status: 0 })
    expect(mode(s.userFile('alice'))).toBe('600')
    expect(await inShell(`umask ${umask}`, ['device', 'add', 'alice', 'b'])).toMatchObject({
      status: 0,
    })
    expect(mode(s.userFile('alice'))).toBe('600')
    const dir = join(s.folder, 'new')
    expect(await inShell(`umask ${umask}`, ['init', '--dir', dir])).toMatchObject({ status: 0 })
    const made = [dir, join(dir, 'users'), join(dir, 'state'), join(dir, 'oneknockd.toml')]
    expect(made.map(mode)).toEqual(['755', '700', '700', '644'])
  })

  it('that are too open stop every command, with the remedy', async () => {
    await s.run(['user', 'add', 'alice', '-s', 'web'])
    chmodSync(s.userFile('alice'), 0o640)
    const file = s.userFile('alice')
    const line = `oneknockd: ${file}: found mode 0640; others can read it; run: chmod 600 ${file}\n`
    for (const args of [
      ['check'],
      ['user', 'list'],
      ['user', 'show', 'alice'],
      ['device', 'add', 'alice', 'b'],
    ]) {
      expect(await s.run(args)).toEqual({ status: 1, stdout: '', stderr: line })
    }
    chmodSync(s.config, 0o666)
    expect((await s.run(['user', 'add', 'bob', '-s', 'web'])).stderr).toBe(
      `oneknockd: ${s.config}: found mode 0666; others can write it; run: chmod go-w ${s.config}\n`,
    )
  })
})

describe('check', () => {
  it('says all that is wrong, one line each, and ends with 1', async () => {
    write(s.userFile('alice'), 'services = ["wbe"]\nlokced = true\n')
    write(s.userFile('bob'), 'services = ["web"]\n', 0o644)
    chmodSync(s.state, 0o755)
    const lines = (await s.run(['check'])).stderr.trimEnd().split('\n')
    expect(lines.map(line => line.replaceAll(s.folder, 'FOLDER'))).toEqual([
      'oneknockd: FOLDER/users/alice.toml:1: services[0]: found "wbe"; no such service; did you mean web?',
      'oneknockd: FOLDER/users/alice.toml:2: lokced: no such key; did you mean locked?',
      'oneknockd: FOLDER/users/bob.toml: found mode 0644; others can read it; run: chmod 600 FOLDER/users/bob.toml',
      'oneknockd: FOLDER/state: found mode 0755; others can read it; run: chmod 700 FOLDER/state',
    ])
    expect(await s.run(['check'])).toMatchObject({ status: 1, stdout: '' })
  })

  it('says which secrets the doors would not find', async () => {
    const short = write(join(s.folder, 'radius-vpn'), 'short')
    const key = write(join(s.folder, 'client.key'), 'no key')
    appendFileSync(
      s.config,
      `[radius]\nlisten = ["127.0.0.1:1812"]
[radius.clients.vpn]\naddress = "192.0.2.1"\nsecret_file = "${short}"\nmode = "code"
[yubikey]\nservers = ["https://otp.example.com/verify"]\nclient_id = 1\nkey_file = "${s.folder}/absent"
[http]\nlisten = ["127.0.0.1:8975"]\n[http.validation]\nclients = { 1 = "${key}" }
[delivery.phone]\nntfy = { server = "https://ntfy.example.com", token_file = "${s.folder}/absent" }
[services.router.routeros]\nurl = "https://192.0.2.1"\nuser = "oneknock"\nlist = "in"
fingerprint = "${'ab'.repeat(32)}"\npassword_file = "${s.folder}/absent"\n`,
    )
    const lines = (await s.run(['check'])).stderr.trimEnd().split('\n')
    expect(lines.map(line => line.replaceAll(s.folder, 'FOLDER'))).toEqual([
      expect.stringMatching(/: radius\.clients\.vpn: .*radius-vpn has less than 16 characters/),
      expect.stringMatching(/: yubikey: FOLDER\/absent: /),
      expect.stringMatching(/: http\.validation\.clients\.1: FOLDER\/client\.key holds no API key/),
      expect.stringMatching(/: delivery\.phone\.ntfy: FOLDER\/absent: /),
      expect.stringMatching(/: services\.router\.routeros: FOLDER\/absent: /),
    ])
  })

  it('waits for nobody if a file is a named pipe', async () => {
    await run(['mkfifo', '-m', '600', s.userFile('alice')])
    expect(await run(['timeout', '15', ...command(), 'check'])).toMatchObject({
      status: 1,
      stderr: `oneknockd: ${s.userFile('alice')}: is not a regular file\n`,
    })
  })

  it('says how to begin where there is nothing yet', async () => {
    const file = join(s.folder, 'none.toml')
    expect(await s.run(['check', '--config', file])).toMatchObject({
      status: 1,
      stderr: `oneknockd: ${file}: does not exist; run: oneknockd init --config ${file}\n`,
    })
    write(s.config, '')
    expect(await s.run(['check'])).toMatchObject({
      status: 1,
      stderr: `oneknockd: ${s.config}: holds no settings; remove it, then run: oneknockd init --config ${s.config}\n`,
    })
  })
})

describe.skipIf(lacking(isRoot))('run as root', () => {
  const DAEMON = 12_345
  const give = (...paths: string[]) => {
    for (const path of paths) chownSync(path, DAEMON, DAEMON)
  }

  it('a command becomes the owner of the users folder first, so that nothing turns root’s', async () => {
    give(s.folder, s.users, s.state)
    chmodSync(s.config, 0o644)
    expect(await s.run(['user', 'add', 'alice', '-s', 'web'])).toMatchObject({ status: 0 })
    expect(statSync(s.userFile('alice'))).toMatchObject({ uid: DAEMON, gid: DAEMON })
    expect(await s.run(['device', 'add', 'alice', 'b'])).toMatchObject({ status: 0 })
    expect(statSync(s.userFile('alice'))).toMatchObject({ uid: DAEMON, gid: DAEMON })
    expect(await s.run(['check'])).toMatchObject({ status: 0 })
    expect(await s.run(['user', 'remove', 'alice'])).toMatchObject({ status: 0 })
  })

  it('init leaves the folders to the daemon’s account, if they are its own already', async () => {
    give(s.users, s.state)
    chmodSync(s.folder, 0o755)
    rmSync(s.config)
    expect(
      await s.run(['init', '--public', 'gate.example.com', '--backend', 'gate']),
    ).toMatchObject({
      status: 0,
    })
    expect(statSync(s.users)).toMatchObject({ uid: DAEMON })
    expect(await s.run(['user', 'add', 'alice', '-s', 'web'])).toMatchObject({ status: 0 })
    expect(statSync(s.userFile('alice'))).toMatchObject({ uid: DAEMON })
  })

  it('check meets what the daemon would meet', async () => {
    give(s.folder, s.users, s.state)
    expect(await s.run(['check'])).toEqual({
      status: 1,
      stdout: '',
      stderr: `oneknockd: ${s.config}: cannot be read by uid ${DAEMON}; use sudo, or check its owner and mode\n`,
    })
  })

  it('no link leads it to a file that is not the users’', async () => {
    const precious = write(join(s.folder, 'precious'), 'root only')
    give(s.users, s.state)
    chmodSync(s.folder, 0o755)
    chmodSync(s.config, 0o644)
    symlinkSync(precious, s.userFile('alice'))
    symlinkSync(precious, join(s.users, '.bob.toml.new'))
    expect(await s.run(['user', 'show', 'alice'])).toMatchObject({ status: 1, stdout: '' })
    expect(await s.run(['user', 'add', 'bob', '-s', 'web'])).toMatchObject({
      status: 1,
      stdout: '',
    })
    expect(await s.run(['user', 'remove', 'alice'])).toMatchObject({ status: 0 })
    expect(existsSync(precious)).toBe(true)
    expect(lstatSync(precious).size).toBe('root only'.length)
  })

  it('in a folder that cannot be written, nothing changes', async () => {
    give(s.folder, s.users, s.state)
    chmodSync(s.config, 0o644)
    await s.run(['user', 'add', 'alice', '-s', 'web'])
    chmodSync(s.users, 0o500)
    for (const args of [
      ['user', 'add', 'bob', '-s', 'web'],
      ['user', 'remove', 'alice'],
      ['device', 'add', 'alice', 'b'],
    ]) {
      const refused = await s.run(args)
      expect(refused).toMatchObject({ status: 1, stdout: '' })
      expect(refused.stderr).toMatch(/^oneknockd: \S+ cannot be written by uid 12345; .*\n$/)
    }
    chmodSync(s.users, 0o700)
    expect(readdirSync(s.users)).toEqual(['alice.toml'])
  })
})

describe.skipIf(lacking(canMount))('on a full disk (needs mount namespaces)', () => {
  it('nothing is half written, and no secret is shown', async () => {
    const script = `mount -t tmpfs -o size=8k,mode=700 full "${s.users}"
      printf 'services = ["web"]\\n' > "${s.users}/alice.toml"
      chmod 600 "${s.users}/alice.toml"
      head -c 4096 /dev/zero > "${s.users}/filler"
      "$@" user add bob -s web; echo "add $?"
      "$@" device add alice phone; echo "device $?"
      ls -A "${s.users}"; cat "${s.users}/alice.toml"`
    const full = await run([...UNSHARE, 'sh', '-c', script, 'sh', ...command()])
    expect(full.stdout).toBe('add 1\ndevice 1\nalice.toml\nfiller\nservices = ["web"]\n')
    expect(full.stderr).toBe(
      `oneknockd: ${s.userFile('bob')} cannot be written (ENOSPC: no space left on device, write); nothing was changed
oneknockd: ${s.userFile('alice')} cannot be written (ENOSPC: no space left on device, write); nothing was changed\n`,
    )
  })
})

it('a reader that goes away early ends it without a stack trace', async () => {
  await s.run(['user', 'add', 'alice', '-s', 'web'])
  const piped = await run(['sh', '-c', '"$@" | true', 'sh', ...command(), 'user', 'list'])
  expect(piped.stderr).toBe('')
})

it('an answer that cannot be written is said to be lost', async () => {
  await s.run(['user', 'add', 'alice', '-s', 'web'])
  const full = ['sh', '-c', '"$@" > /dev/full', 'sh', ...command(), 'user', 'list']
  expect(await run(full)).toMatchObject({
    status: 1,
    stderr: 'oneknockd: cannot write the answer (ENOSPC); see where standard output goes\n',
  })
})

it.each([
  [['usr'], "unknown command 'usr' (Did you mean user?); for help: oneknockd --help"],
  [
    ['device', 'add', 'alice'],
    "missing required argument 'label'; for help: oneknockd device add --help",
  ],
  [
    ['check', '--config'],
    "option '-c, --config <file>' argument missing; for help: oneknockd --help",
  ],
])('%j is refused in one line', async (args, line) => {
  expect(await s.run(args)).toEqual({ status: 1, stdout: '', stderr: `oneknockd: ${line}\n` })
})

it('says what it is, and shows how', async () => {
  expect((await s.run(['--version'])).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
  for (const args of [[], ['user', 'add'], ['init']]) {
    const help = await s.run([...args, '--help'])
    expect(help).toMatchObject({ status: 0, stderr: '' })
    expect(help.stdout).toContain('Examples:\n  oneknockd ')
    expect(help.stdout).toContain('ONEKNOCKD_CONFIG')
  }
})
