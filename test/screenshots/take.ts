/**
 * `npm run screenshots`: draws docs/tui.svg from what the built program shows in a real terminal, before
 * a real daemon. In a network and a hosts file of its own, so that the picture has names and not ports.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { DEFAULT_PORT, formatInvitation, KEY_BYTES } from '@oneknock/shared'
import { codeOf, Daemon } from '../client/tui/daemon.ts'
import { Tmux } from '../client/tui/tmux.ts'
import { svgOf } from './svg.ts'

const SIZE = { columns: 64, rows: 19 }
const HOST = 'gate.example.com'
const root = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url))
const PICTURE = root('docs/tui.svg')
const CLIENT = root('client/dist/bin/oneknock.js')
const WITHIN = 'ONEKNOCK_SCREENSHOTS_WITHIN'

if (process.env[WITHIN]) await take()
else process.exitCode = goWithin()

/** Again, in namespaces where no privilege is needed to name hosts. */
function goWithin(): number {
  const command = [
    '--map-root-user',
    '--net',
    '--mount',
    process.execPath,
    ...process.argv.slice(1),
  ]
  const { status, error } = spawnSync('unshare', command, {
    env: { ...process.env, [WITHIN]: '1' },
    stdio: 'inherit',
  })
  if (error) console.error(`unshare cannot be run (${error.message}): install util-linux`)
  return status ?? 1
}

async function take(): Promise<void> {
  const path = mkdtempSync(join(tmpdir(), 'oneknock-screenshots-'))
  const env = { PATH: process.env.PATH, XDG_CONFIG_HOME: path, XDG_CACHE_HOME: join(path, 'cache') }
  nameHosts(join(path, 'hosts'))
  const daemon = await Daemon.start({
    services: { ssh: '30m', wiki: '30m', inventory: '10h' },
    port: DEFAULT_PORT,
    host: HOST,
  })
  let tmux: Tmux | undefined
  try {
    const alice = await daemon.enrol('alice')
    for (const invitation of [alice.invitation, ...others()]) {
      execFileSync(process.execPath, [CLIENT, 'add'], { env, input: invitation })
    }
    tmux = new Tmux({ path, env }, SIZE)
    writeFileSync(PICTURE, svgOf(await walk(tmux, () => codeOf(alice)), SIZE))
    console.log(`wrote ${PICTURE}`)
  } finally {
    tmux?.leave()
    await daemon.end()
    rmSync(path, { recursive: true })
  }
}

/** From the list through a code to an open door. */
async function walk(tmux: Tmux, code: () => string): Promise<string[]> {
  const pictures: string[] = []
  await tmux.sees(/❯ home/)
  tmux.press('Down')
  await tmux.sees(/❯ {3}ssh/)
  pictures.push(tmux.coloured())
  tmux.press('Enter')
  await tmux.sees(/this code lives/)
  tmux.type(code())
  await tmux.sees(/● ● ● ● ● ●/)
  pictures.push(tmux.coloured())
  tmux.press('Enter')
  await tmux.sees(/● open ssh/)
  // Where the countdown is text, it can be seen to count.
  tmux.press('Escape')
  await tmux.sees(/● open 29:5[0-7]/)
  pictures.push(tmux.coloured())
  tmux.press('Enter')
  await tmux.sees(/● open ssh/)
  pictures.push(tmux.coloured())
  return pictures
}

function nameHosts(file: string): void {
  writeFileSync(file, `127.0.0.1 localhost ${HOST}\n`)
  execFileSync('mount', ['--bind', file, '/etc/hosts'])
  execFileSync('ip', ['link', 'set', 'lo', 'up'])
}

/** Targets that stand in the list, and are not knocked at. */
function others(): string[] {
  const targets = [
    { name: 'office', host: 'vpn.example.net', services: ['ssh', 'build'] },
    { name: 'nas', host: 'nas.example.org', services: ['files'] },
  ]
  return targets.map(other =>
    formatInvitation({
      ...other,
      port: DEFAULT_PORT,
      user: 'alice',
      device: 'laptop',
      key: crypto.getRandomValues(new Uint8Array(KEY_BYTES)),
    }),
  )
}
