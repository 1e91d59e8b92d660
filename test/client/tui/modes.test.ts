import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { BIN, expectOneLine, Home, invitation } from '../run.ts'
import { hasTmux, type Sitting, Tmux } from './tmux.ts'

/* How the built program takes a terminal, and how it leaves it. */

let home: Home
let at: Tmux | undefined
beforeEach(async () => {
  home = new Home()
  const added = await home.run(['add'], invitation())
  if (added.status !== 0) throw new Error(added.stderr)
})
afterEach(() => {
  at?.leave()
  at = undefined
  home.remove()
})

async function sit(sitting?: Sitting): Promise<Tmux> {
  at = new Tmux(home, sitting)
  await at.sees(/❯ home/)
  return at
}

/** On this signal something in the program throws, as a mistake in it would. */
function breaksOn(signal: NodeJS.Signals, how: string): Readonly<Record<string, string>> {
  const file = join(home.path, 'break.cjs')
  writeFileSync(file, `process.on('${signal}', () => { ${how} })`)
  return { NODE_OPTIONS: `--require=${file}` }
}

describe.skipIf(!hasTmux && process.env.CI !== 'true')(
  'the terminal is left as it was found',
  () => {
    it.each([
      ['Escape', ['Escape']],
      ['^C', ['C-c']],
    ])('after %s: status 0', async (_name, keys) => {
      const tmux = await sit()
      expect(tmux.property('alternate_on')).toBe('1')
      tmux.press(...keys)
      expect(await tmux.ends()).toBe(0)
    })

    it('after ^C in the middle of anything', async () => {
      const tmux = await sit()
      tmux.press('Enter')
      await tmux.sees(/Code/)
      tmux.type('123456')
      tmux.press('Enter')
      await tmux.sees(/gives up in/)
      tmux.press('C-c')
      expect(await tmux.ends()).toBe(0)
    })

    it.each([
      ['SIGINT', 130],
      ['SIGTERM', 143],
      ['SIGHUP', 129],
      ['SIGQUIT', 131],
    ] as const)('after %s, which it dies of', async (signal, status) => {
      const tmux = await sit()
      tmux.signal(signal)
      expect(await tmux.ends()).toBe(status)
    })

    it.each([
      ['an error', "throw new Error('broken\\u001b[31m')"],
      ['a rejection', "Promise.reject(new Error('broken'))"],
    ])('after %s that nobody saw coming, which is reported', async (_name, how) => {
      const tmux = await sit({ env: breaksOn('SIGUSR2', how) })
      tmux.signal('SIGUSR2')
      expect(await tmux.ends()).toBe(70)
      expect(tmux.screen()).toMatch(/^oneknock: this is a mistake in oneknock.*: Error: broken/m)
    })
  },
)

describe.skipIf(!hasTmux && process.env.CI !== 'true')('keys', () => {
  it('are taken before there is anything to see', async () => {
    const file = join(home.path, 'order.cjs')
    writeFileSync(file, NOTES_ORDER)
    await sit({ env: { NODE_OPTIONS: `--require=${file}` } })
    expect(readFileSync(join(home.path, 'order'), 'utf8')).toMatch(/^keys\nframe\n/)
  })
})

const NOTES_ORDER = `
const { appendFileSync } = require('node:fs')
const note = what => appendFileSync(process.env.HERE + '/order', what + '\\n')
const { stdin, stdout } = process
const { setRawMode } = stdin
const { write } = stdout
stdin.setRawMode = isRaw => { if (isRaw) note('keys'); return setRawMode.call(stdin, isRaw) }
stdout.write = (...args) => { if (String(args[0]).includes('home')) note('frame'); return write.apply(stdout, args) }
`

describe.skipIf(!hasTmux && process.env.CI !== 'true')('^Z', () => {
  it('gives the terminal back as it was, until the shell goes on with the session', async () => {
    const tmux = await sit({ env: { JOBS: 'yes' } })
    tmux.press('Enter')
    await tmux.sees(/Code/)
    tmux.press('C-z')
    expect(await tmux.sees(/suspended=148/)).toContain('a line from before the session')
    expect(tmux.property('alternate_on')).toBe('0')
    tmux.resize(70, 22)
    tmux.press('Enter')
    await tmux.sees(/^─{70}\n\n {2}Code {2}·/m)
    tmux.type('12')
    await tmux.sees(/● ● · /)
    tmux.press('C-c')
    expect(await tmux.ends()).toBe(0)
  })
})

describe.skipIf(!hasTmux && process.env.CI !== 'true')('the screen', () => {
  it('is drawn anew at every size, and nothing of it scrolls away', async () => {
    const tmux = await sit()
    const scrolled = tmux.property('history_size')
    for (const [columns, rows] of [
      [60, 20],
      [100, 40],
      [60, 10],
      [132, 12],
      [80, 24],
    ] as const) {
      tmux.resize(columns, rows)
      await tmux.waits(
        () => tmux.screen().split('\n').slice(0, rows),
        lines =>
          lines[0]!.startsWith(' oneknock') &&
          lines[0]!.trimEnd().length === columns - 1 &&
          lines[1] === '─'.repeat(columns) &&
          lines[rows - 2]!.includes('esc quit') &&
          lines.filter(line => line.includes('oneknock')).length === 1,
        `a whole screen of ${columns} by ${rows}`,
      )
    }
    expect(tmux.property('history_size')).toBe(scrolled)
    // Neither clears what had scrolled away before.
    expect(tmux.written()).not.toContain('\x1b[3J')
  })

  it('is mended by a new size, whatever others wrote on it', async () => {
    const tmux = await sit()
    tmux.scribble('\x1b[12;5Hsomebody\x1b[24;1Helse\x1b[3;3H')
    await tmux.sees(/somebody[\s\S]*else/)
    tmux.resize(90, 24)
    await tmux.sees(/^─{90}$/m)
    expect(await tmux.sees(/esc quit/)).not.toMatch(/somebody|else/)
  })

  it('uses the sixteen colours alone', async () => {
    const tmux = await sit()
    await tmux.writes(/\x1b\[36m/)
    expect(tmux.written()).not.toMatch(/\x1b\[[\d;]*[34]8[;:]/)
  })

  it('uses none with NO_COLOR', async () => {
    const tmux = await sit({ env: { NO_COLOR: '1' } })
    tmux.press('Enter')
    await tmux.sees(/Code/)
    await tmux.writes(/Code[\s\S]*\x1b\[1m|\x1b\[1m[\s\S]*Code/)
    expect(tmux.written()).not.toMatch(/\x1b\[(3|4|9|10)[0-7]m/)
  })

  it('is drawn also where CI and DEV are set', async () => {
    await sit({ env: { CI: 'true', DEV: 'true' } })
  })

  it('is ASCII where the locale has no more', async () => {
    at = new Tmux(home, { env: { LANG: 'C', LC_ALL: 'C' } })
    await at.sees(/> home/)
    expect(at.written().replaceAll('\x1b', '')).toMatch(/^[\x00-\x7f]*$/)
  })
})

describe('without a terminal', () => {
  it('says in one line what scripts use', async () => {
    expectOneLine(await home.run([]), 1, 'oneknock knock TARGET')
  })

  it.each([
    ['no input', '</dev/null', {}],
    ['no output', '>/dev/null', {}],
    ['a terminal that can draw nothing', '', { TERM: 'dumb' }],
  ])('or with %s', async (_what, redirection, env) => {
    const line = `"$NODE" "$BIN" ${redirection}; echo "status=$?"`
    const script = spawn('script', ['-qec', line, '/dev/null'], {
      env: { ...home.env, ...env, NODE: process.execPath, BIN },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    let shown = ''
    script.stdout.on('data', text => {
      shown += text
    })
    await once(script, 'close')
    expect(shown).toMatch(/^oneknock: .*oneknock knock TARGET.*\r\nstatus=1\r\n$/)
  })
})
