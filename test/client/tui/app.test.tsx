import chalk from 'chalk'
import { cleanup, render } from 'ink-testing-library'
import stringWidth from 'string-width'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { App } from '../../../client/src/tui/app.tsx'
import columnsOf from '../../../client/src/tui/columns.ts'
import type { Happening } from '../../../client/src/tui/session.ts'
import type { State } from '../../../client/src/tui/state.ts'
import { themeFor } from '../../../client/src/tui/theme.ts'
import { INVITATION, NOON, opened, Play, refused, target } from './play.ts'

const SECRET = INVITATION.match(/key=([^&]+)/)![1]!
const LONG = 'a-name-that-is-as-long-as-can-be-'.slice(0, 32)
const HOME = target('home')
const MANY = Array.from({ length: 30 }, (_, i) => target(`${LONG.slice(0, -2)}${i + 10}`))

const route = (server: string, family: 4 | 6) =>
  ({ type: 'route', family, server, named: {} }) as never
const knocking = () => new Play(HOME).press('enter').type('123456').press('enter')

/** Every screen, and what must be read on it. */
const SCREENS: Readonly<Record<string, readonly [play: () => Play, ...words: string[]]>> = {
  'the first run': [() => new Play(), 'Welcome', 'oneknock://', 'Invitation'],
  'an invitation pasted': [() => new Play(HOME).press('+').paste(INVITATION), '132 characters'],
  'an invitation read': [
    () => new Play().paste(INVITATION).press('enter'),
    ...['ana', 'laptop', 'nas.example.com port 62201', 'files', 'Call it nas'],
  ],
  'an invitation cut short': [
    () => new Play().paste(INVITATION.slice(0, -40)).press('enter'),
    ...['its key is missing or cut short', 'paste the whole line'],
  ],
  'the list': [
    () => new Play(HOME, target('nas')),
    'type to filter ❯ home',
    'home.example.com',
    'wiki',
    'nas',
  ],
  'the list with a door open': [() => new Play(HOME).open(61).press('escape'), '● open 1:01'],
  'the list filtered': [() => new Play(HOME, target('nas')).type('wik'), 'filter: wik', '❯ wiki'],
  'the list filtered to nothing': [() => new Play(HOME).type('none'), 'nothing here by that name'],
  'the list of many with long names': [
    () => new Play(...MANY).press('pagedown'),
    ...['❯ ssh', '11 of 90'],
  ],
  'a profile that cannot be read': [
    () => {
      const play = new Play(HOME)
      play.state = { ...play.state, problems: ['/x/oneknock/nas.json is open to other users'] }
      return play
    },
    'open to other users',
  ],
  'a passphrase': [
    () => new Play(target('home', { isLocked: true })).press('enter').type('horse'),
    ...['The key of home is locked', 'Passphrase'],
  ],
  'an empty code': [() => new Play(HOME).press('enter'), '· · · · · ·', 'this code lives 30 s'],
  'half a code': [() => new Play(HOME).press('enter').type('123'), '● ● ● · · ·'],
  'a whole code': [() => new Play(HOME).press('enter').type('123456'), '● ● ● ● ● ●'],
  'a recovery code': [
    () => new Play(HOME).press('enter').type('abcd-efgh-ijkl-mnop-qrst-uvwx-yz23'),
    '34 characters',
  ],
  'a code that is none': [
    () => new Play(HOME).press('enter').type('12').press('enter'),
    '6 digits',
  ],
  'a code that is used': [() => new Play(HOME).open(600).press('e'), 'used: the next in 30 s'],
  'a name being looked up': [
    () => knocking().hear({ type: 'resolving', host: 'home.example.com' }),
    'Finding home.example.com',
  ],
  'packets on their way': [
    () =>
      knocking()
        .hear(route('192.0.2.1', 4))
        .hear(route('2001:db8::1', 6))
        .hear({ type: 'sent', family: 4, attempt: 1 })
        .hear({ type: 'sent', family: 6, attempt: 3 }),
    ...['192.0.2.1: sent, waiting for the reply', 'no reply yet, sent 3 times', 'gives up in 0:08'],
  ],
  'packets that cannot leave': [
    () =>
      knocking()
        .hear(route('192.0.2.1', 4))
        .hear({ type: 'trouble', family: 4, server: '' as never, cause: 'ENETUNREACH' }),
    'cannot be reached (ENETUNREACH)',
  ],
  'an approval to wait for': [
    () =>
      knocking()
        .hear(route('192.0.2.1', 4))
        .hear({ type: 'reply', family: 4, status: 'pending', reason: 'none', detail: 'phone' })
        .pass(8),
    ...['Waiting for somebody to approve (phone)', 'stops waiting in 1:52'],
  ],
  'a code of its own that was used': [
    () =>
      new Play(target('home', { givesCodes: true }))
        .press('enter')
        .hear({ type: 'code-used', waitMs: 30_000 })
        .pass(8),
    ...['This code of home was used already: waiting for the next', 'it comes in 0:22'],
  ],
  'a refusal': [
    () => knocking().end(refused('factor-used')),
    ...['✗ Refused', 'This code was used before', 'What to do'],
  ],
  'an open door': [
    () => new Play(HOME).open(1781).pass(1),
    ...['● open ssh wiki', 'until ', 'ssh home.example.com', '██'],
  ],
  'a door whose time is up': [() => new Play(HOME).open(1).pass(1), 'its time was up'],
  'the history': [() => new Play(HOME).open(1).pass(1).press('escape', 'tab'), 'open for 30m'],
  'an empty history': [() => new Play(HOME).press('tab'), 'Nothing has happened yet'],
  'the help': [() => new Play(HOME).press('enter', '?'), 'knock with this code', 'any key back'],
}

const theme = themeFor({ TERM: 'xterm' })
const draw = (state: State, drawn = theme) =>
  render(<App state={state} theme={drawn} tell={() => {}} />).lastFrame()!

// Vitest's output is no terminal: here the sixteen colours are.
beforeAll(() => {
  chalk.level = 1
})
afterEach(cleanup)

const plain = (frame: string): string => frame.replaceAll(/\x1b\[[0-9;]*m/g, '')

describe.each(Object.entries(SCREENS))('%s', (_name, [play, ...words]) => {
  it('tells what it must', () => {
    const frame = plain(draw(play().state)).replaceAll(/\s+/g, ' ')
    for (const word of words) expect(frame).toContain(word)
  })

  it.each([
    [80, 24],
    [60, 20],
    [40, 12],
  ])('fits %d columns and %d rows', (columns, rows) => {
    const { state } = play().tell({ type: 'resized', size: { columns, rows } })
    const lines = plain(draw(state)).split('\n')
    expect(lines.length).toBeLessThan(rows)
    for (const line of lines) expect(stringWidth(line)).toBeLessThanOrEqual(columns)
    expect(lines[0]).toMatch(/^ oneknock/)
    expect(lines.at(-1)).toMatch(/^ \S/)
  })

  it('is the same without colours, in words', () => {
    const { state } = play()
    const sober = draw(state, themeFor({ TERM: 'xterm', NO_COLOR: '1' }))
    expect(plain(sober)).toBe(plain(draw(state)))
    expect(sober).not.toMatch(/\x1b\[(3|4|9|10)\d/)
    expect(draw(state)).toMatch(/\x1b\[3\d/)
    expect(draw(state)).not.toMatch(/\x1b\[[34]8[;:]/)
  })

  it('is ASCII where the terminal has no more', () => {
    const frame = plain(draw(play().state, themeFor({ TERM: 'linux' })))
    expect(frame).toMatch(/^[\n -~]*$/)
    expect(plain(draw(play().state, themeFor({ TERM: 'xterm', LANG: 'C' })))).toBe(frame)
  })

  it('shows no secret', () => {
    const frame = plain(draw(play().state))
    for (const secret of [SECRET, '123', 'horse', 'abcd-efgh']) expect(frame).not.toContain(secret)
  })

  it('is as wide as the bundle takes it to be', () => {
    for (const line of draw(play().state).split('\n')) {
      expect(columnsOf(line)).toBe(stringWidth(line))
    }
  })
})

describe('the countdown', () => {
  it('is small where there is no room for large digits', () => {
    const play = new Play(HOME).open(90)
    const at = (columns: number, rows: number) => {
      play.tell({ type: 'resized', size: { columns, rows } })
      return plain(draw(play.state))
    }
    expect(at(80, 24)).not.toMatch(/^ +1:30 *$/m)
    expect(at(80, 16)).toMatch(/^ +1:30 *$/m)
    play.press('e').type('654321').press('enter')
    play.end(opened(NOON + 400 * 3_600_000))
    expect(at(80, 24)).not.toContain('400:00:00')
    expect(at(60, 24)).toContain('400:00:00')
  })
})

describe('the width of text from elsewhere', () => {
  it.each(['Grüße', '東京', 'ｆｕｌｌ', '한국', '🔑', 'é', '\x1b[31mred\x1b[39m'])(
    'agrees on %s',
    text => {
      expect(columnsOf(text)).toBe(stringWidth(text))
    },
  )
})

describe('keys', () => {
  const typed = (...chunks: readonly string[]): Happening[] => {
    const told: Happening[] = []
    const { state } = new Play(HOME)
    const { stdin } = render(<App state={state} theme={theme} tell={one => told.push(one)} />)
    for (const chunk of chunks) stdin.write(chunk)
    return told
  }
  const pressed = (...keys: string[]) => ({ type: 'pressed', keys })

  it.each([
    ['\r', 'enter'],
    ['\x1b[A', 'up'],
    ['\x1bOB', 'down'],
    ['\x1b[5~', 'pageup'],
    ['\t', 'tab'],
    ['\x7f', 'backspace'],
    ['\b', 'backspace'],
    ['\x15', '^u'],
    ['\x0e', '^n'],
    ['\x03', '^c'],
    ['a', 'a'],
    ['?', '?'],
  ])('%j is %s', (bytes, key) => {
    expect(typed(bytes)).toEqual([pressed(key)])
  })

  it('that come in one piece are told apart', () => {
    expect(typed('12\x7f3\r')).toEqual([pressed('1', '2', 'backspace', '3', 'enter')])
  })

  it('that nothing is bound to are none', () => {
    expect(typed('\x1b[15~', '\x1b[1;5C', '\x1bx')).toEqual([])
  })

  it('in a paste are text, and line breaks are nothing', () => {
    expect(typed('\x1b[200~12\r3', '4\n\x1b[201~', '\r')).toEqual([
      { type: 'pasted', text: '1234' },
      pressed('enter'),
    ])
  })
})

it('keeps a long name apart from what stands behind it', () => {
  const size = { columns: 60, rows: 20 }
  const frame = plain(draw(new Play(...MANY).tell({ type: 'resized', size }).state))
  expect(frame).toContain('… a-name')
  expect(frame).not.toMatch(/…\w/)
})
