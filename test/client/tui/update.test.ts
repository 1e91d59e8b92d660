import { NO_FACTOR, REASONS } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import type { KnockResult } from '../../../client/src/outcome.ts'
import { isCodeUsed } from '../../../client/src/tui/code.ts'
import { doorOf, rowsOf } from '../../../client/src/tui/rows.ts'
import { HISTORY_MAX } from '../../../client/src/tui/state.ts'
import { INVITATION, NOON, opened, Play, refused, target } from './play.ts'

const lines = (play: Play): string[] =>
  rowsOf(play.state).map(({ target: { name }, service }) => `${name}/${service ?? ''}`)
const chosen = (play: Play): string | undefined => lines(play)[play.state.list.at]

const HOME = target('home')
const OFFICE = target('office', { services: ['ssh', 'inventory'] })
const NAS = target('nas', { services: ['files'] })

describe('the list', () => {
  it('has a line for each target and for each of its services, if there are several', () => {
    const play = new Play(HOME, NAS)
    expect(lines(play)).toEqual(['home/', 'home/ssh', 'home/wiki', 'nas/'])
  })

  it('is walked with the arrows, and has two ends', () => {
    const play = new Play(HOME, NAS)
    expect(chosen(play.press('up'))).toBe('home/')
    expect(chosen(play.press('down', 'down'))).toBe('home/wiki')
    expect(chosen(play.press('down', 'down', 'down'))).toBe('nas/')
    expect(chosen(play.press('pageup'))).toBe('home/')
    expect(chosen(play.press('pagedown'))).toBe('nas/')
  })

  it('is narrowed by typing: to targets with all they have, and to services', () => {
    const play = new Play(HOME, OFFICE, NAS)
    expect(lines(play.type('off'))).toEqual(['office/', 'office/ssh', 'office/inventory'])
    expect(lines(play.press('^u').type('ssh'))).toEqual([
      ...['home/', 'home/ssh'],
      ...['office/', 'office/ssh'],
    ])
    expect(chosen(play)).toBe('home/ssh')
    expect(lines(play.press('backspace', 'backspace', 'backspace'))).toHaveLength(7)
    expect(lines(play.type('nobody'))).toEqual([])
    play.press('enter')
    expect(play.state.screen.kind).toBe('targets')
  })

  it('takes capitals for small letters, and leaves out what no name has', () => {
    expect(new Play(HOME, NAS).type('H o;m').state.list.filter).toBe('hom')
  })

  it('is whole again after Escape, and ends the session after another', () => {
    const play = new Play(HOME).type('x').press('escape')
    expect(play.state).toMatchObject({ list: { filter: '' }, isOver: false })
    expect(play.press('escape').state.isOver).toBe(true)
  })

  it('shows at each line the door that is open there longest', () => {
    const shown = (play: Play) => rowsOf(play.state).map(row => doorOf(play.state, row)?.until)
    const play = new Play(HOME).press('down').open(900, 'ssh').press('escape')
    expect(shown(play)).toEqual([undefined, NOON + 900_000, undefined])
    play.press('up').open(600, 'ssh wiki')
    expect(shown(play)).toEqual([NOON + 600_000, NOON + 900_000, NOON + 600_000])
  })

  it('leads to what is open there', () => {
    const play = new Play(HOME).open(600).press('escape', 'down', 'enter')
    expect(play.screen('door').ask).toEqual({ target: 'home', services: [] })
  })
})

describe('a code', () => {
  it('knocks with what was typed, for what was chosen', () => {
    const play = new Play(HOME).press('down', 'enter').type('123 456').press('enter')
    expect(play.work).toMatchObject({
      kind: 'knock',
      ask: { target: 'home', services: ['ssh'] },
      verb: 'open',
      services: ['ssh'],
      code: { kind: 'typed', factor: { kind: 'totp', code: '123456' } },
    })
  })

  it('may be pasted with a line break, which sends nothing off', () => {
    const play = new Play(HOME).press('enter').paste('123456')
    expect(play.screen('code').text).toBe('123456')
  })

  it.each([
    ['yubikey', 'cccccccfhcjdtljgkkjjhlufkjgvltnhdrrrvujhtgkb'],
    ['recovery', '3ztn-zn4e-ztpc-q6dj-3et3-vx42-hfeh'],
  ])('may be a %s', (kind, code) => {
    const play = new Play(HOME).press('enter').paste(code).press('enter')
    expect(play.work).toMatchObject({ code: { factor: { kind, code } } })
  })

  it.each([
    ['', 'empty'],
    ['12345', '6 digits'],
    ['1234567', '6 digits'],
  ])('%j is not sent: it says what is wrong', (text, word) => {
    const play = new Play(HOME).press('enter').type(text).press('enter')
    expect(play.screen('code').problem).toContain(word)
    expect(play.state.work).toBeUndefined()
    expect(play.type('1').screen('code').problem).toBeUndefined()
  })

  it('is mended while it is typed', () => {
    const play = new Play(HOME).press('enter').type('99').press('^u').type('129')
    expect(play.press('backspace').type('3').screen('code').text).toBe('123')
  })

  it('is not needed where none is: ^N knocks without', () => {
    const play = new Play(HOME).press('enter', '^n')
    expect(play.work).toMatchObject({ kind: 'knock', code: { kind: 'none' } })
  })

  it('of a target that gives its own is not asked for, and can be typed if that fails', () => {
    const play = new Play(target('home', { givesCodes: true })).press('enter')
    expect(play.work).toMatchObject({ code: { kind: 'own' } })
    expect(play.screen('knocking').progress.stage).toBe('code')
    play.tell({ type: 'unable', work: play.work.id, problem: 'the code command failed' })
    expect(play.screen('failed').what).toBe('the code command failed')
    expect(play.press('enter').type('123456').press('enter').work).toMatchObject({
      code: { factor: { code: '123456' } },
    })
    expect(play.press('escape', 'enter').work).toMatchObject({ code: { kind: 'own' } })
  })

  it('that the server has seen is used up until the next', () => {
    const play = new Play(HOME, NAS).open(600)
    expect(isCodeUsed(play.state, 'home')).toBe(true)
    expect(isCodeUsed(play.state, 'nas')).toBe(false)
    expect(isCodeUsed(play.pass(29).state, 'home')).toBe(true)
    expect(isCodeUsed(play.pass(1).state, 'home')).toBe(false)
  })

  it.each(REASONS)('after %s is used up, if the server had to find it right first', reason => {
    const play = new Play(HOME).press('enter').type('123456').press('enter').end(refused(reason))
    const isUnburnt = ['none', 'wrong-factor', 'locked', 'state-unavailable'].includes(reason)
    expect(isCodeUsed(play.state, 'home')).toBe(!isUnburnt)
  })
})

describe('a key that is locked', () => {
  const locked = () => new Play(target('home', { isLocked: true })).press('enter')

  it('asks for its passphrase first, and then for the code', () => {
    const play = locked().type('correct horse?').press('enter')
    expect(play.work).toMatchObject({
      kind: 'unlock',
      target: 'home',
      passphrase: 'correct horse?',
    })
    // Nothing more is taken while it is tried.
    expect(play.type('x').press('enter').screen('passphrase').text).toBe('correct horse?')
    play.tell({ type: 'unlocked', work: play.work.id, target: 'home', givesCodes: false })
    expect(play.screen('code').ask.target).toBe('home')
    expect(play.press('escape', 'enter').state.screen.kind).toBe('code')
  })

  it('knocks at once if its box holds a secret for codes', () => {
    const play = locked().type('secret').press('enter')
    play.tell({ type: 'unlocked', work: play.work.id, target: 'home', givesCodes: true })
    expect(play.work).toMatchObject({ kind: 'knock', code: { kind: 'own' } })
  })

  it('stays so after a wrong one, which is forgotten', () => {
    const play = locked().type('wrong').press('enter')
    play.tell({ type: 'still-locked', work: play.work.id, problem: 'no' })
    expect(play.screen('passphrase')).toMatchObject({ text: '', problem: 'no' })
    expect(play.press('enter').state.work).toBeUndefined()
    expect(play.press('escape').state.screen.kind).toBe('targets')
  })
})

describe('a knock', () => {
  const knocking = () => new Play(HOME).press('enter').type('123456').press('enter')
  const route = (family: 4 | 6, server: string) =>
    ({ type: 'route', family, server, named: {} }) as never

  it('is followed from its name to its reply', () => {
    const play = knocking()
    const { progress } = play.screen('knocking')
    expect(progress).toMatchObject({ stage: 'resolving', since: NOON })
    play.hear({ type: 'resolving', host: 'home.example.com' })
    expect(play.screen('knocking').progress.detail).toBe('home.example.com')
    play.now += 500
    play.hear(route(4, '192.0.2.1')).hear(route(6, '2001:db8::1'))
    expect(play.screen('knocking').progress).toMatchObject({ stage: 'asking', since: NOON + 500 })
    play.hear({ type: 'sent', family: 4, attempt: 1 }).hear({ type: 'sent', family: 4, attempt: 2 })
    play.hear({ type: 'trouble', family: 6, server: '2001:db8::1' as never, cause: 'ENETUNREACH' })
    expect(play.screen('knocking').progress.ways).toMatchObject([
      { server: '192.0.2.1', sent: 2, trouble: undefined, isAnswered: false },
      { server: '2001:db8::1', sent: 0, trouble: 'ENETUNREACH', isAnswered: false },
    ])
    play.hear({ type: 'sent', family: 6, attempt: 1 })
    expect(play.screen('knocking').progress.ways[1]).toMatchObject({ sent: 1, trouble: undefined })
  })

  it('waits for an approval, from when the server said so', () => {
    const play = knocking().hear(route(4, '192.0.2.1'))
    play.now += 700
    const pending = { type: 'reply', family: 4, status: 'pending', reason: 'none' } as const
    play.hear({ ...pending, detail: 'phone' })
    play.now += 2000
    play.hear({ ...pending, detail: 'phone' })
    expect(play.screen('knocking').progress).toMatchObject({
      stage: 'pending',
      since: NOON + 700,
      detail: 'phone',
    })
  })

  it('opens a door, and tells so', () => {
    const play = knocking().end(opened(NOON + 60_000, 'ssh wiki'))
    expect(play.screen('door').ask).toEqual({ target: 'home', services: [] })
    expect(play.state.doors).toMatchObject([{ opened: ['ssh', 'wiki'], until: NOON + 60_000 }])
    expect(play.state.history).toMatchObject([
      { at: NOON, what: 'open for 30m: ssh wiki', mood: 'good' },
    ])
    expect(play.state.work).toBeUndefined()
  })

  it.each([
    [refused('factor-used'), 'Refused', 'used before', 'next one'],
    [refused('locked'), 'Refused', 'locked', 'administrator'],
    [{ status: 'no-reply', servers: [], portClosed: false }, 'No reply', 'no reply', 'clock'],
    [{ status: 'no-reply', servers: [], portClosed: true }, 'No reply', 'nothing listens', 'port'],
    [{ status: 'unreachable', servers: [], cause: 'ENETUNREACH' }, 'No way', 'ENETUNREACH', 'VPN'],
    [{ status: 'unresolved', host: 'h', cause: 'ENOTFOUND' }, 'Not found', 'ENOTFOUND', 'name'],
    [{ status: 'pending', detail: 'phone', clockOffsetMs: 0 }, 'Not app', 'phone', 'new code'],
    [{ status: 'closed', detail: '', clockOffsetMs: 0 }, 'Closed', 'closed again', 'new code'],
    [{ status: 'invalid', field: 'services' }, 'Not possible', 'services', 'less'],
  ] as [KnockResult, string, string, string][])(
    'that ends with %o says why, and what to do',
    (result, title, what, next) => {
      const play = knocking().end(result)
      const failed = play.screen('failed')
      expect(failed.title).toContain(title)
      expect(failed.what).toContain(what)
      expect(failed.next).toContain(next)
      expect(play.state.history).toMatchObject([{ what: failed.what, mood: 'bad' }])
      expect(play.press('enter').screen('code')).toMatchObject({ ask: failed.ask, text: '' })
    },
  )

  it('warns of a clock that is far off, whatever comes of it', () => {
    const late = { ...refused('schedule'), clockOffsetMs: 95_000 } as KnockResult
    expect(knocking().end(late).state.note?.text).toContain('clock')
    expect(knocking().end(refused('schedule')).state.note).toBeUndefined()
  })

  it('can be given up: what comes later changes nothing', () => {
    const play = knocking()
    const { id } = play.work
    play.press('escape')
    expect(play.state).toMatchObject({ work: undefined, screen: { kind: 'targets' } })
    expect(play.state.history).toMatchObject([{ what: expect.stringContaining('stopped') }])
    const before = play.state
    play.tell({ type: 'knocked', work: id, result: opened(NOON + 1000) })
    play.tell({ type: 'heard', work: id, event: { type: 'resolving', host: 'x' } })
    expect(play.state).toEqual(before)
  })

  it('is not taken for the one before it', () => {
    const play = knocking()
    const { id } = play.work
    play.press('escape', 'enter').type('654321').press('enter')
    const before = play.state
    play.tell({ type: 'knocked', work: id, result: opened(NOON + 1000) })
    play.tell({ type: 'heard', work: id, event: { type: 'resolving', host: 'x' } })
    expect(play.state).toEqual(before)
  })
})

describe('an open door', () => {
  it('closes when its time is up, to the millisecond, and history tells', () => {
    const play = new Play(HOME).open(60)
    play.now = NOON + 59_999
    expect(play.tell({ type: 'ticked' }).state.doors[0]!.ended).toBeUndefined()
    play.now = NOON + 60_000
    expect(play.tell({ type: 'ticked' }).state.doors[0]!.ended).toBe('expired')
    expect(play.pass(5).state.history.map(({ what }) => what)).toEqual([
      'open for 30m: ssh wiki',
      'closed: its time was up',
    ])
    expect(play.press('c').state.work).toBeUndefined()
    expect(play.press('enter').screen('code').ask.target).toBe('home')
  })

  it('is extended with the next code, and never cut short by that', () => {
    const play = new Play(HOME).open(600).press('e').type('654321').press('enter')
    expect(play.work).toMatchObject({ verb: 'open', ask: { target: 'home', services: [] } })
    play.end(opened(NOON + 300_000))
    expect(play.state.doors).toMatchObject([{ until: NOON + 600_000 }])
    play
      .pass(30)
      .press('e')
      .type('111111')
      .press('enter')
      .end(opened(NOON + 900_000))
    expect(play.state.doors).toMatchObject([{ until: NOON + 900_000 }])
  })

  it('is gone back to when its extension is thought better of', () => {
    expect(new Play(HOME).open(600).press('e', 'escape').screen('door').ask.target).toBe('home')
  })

  it('is closed by name, without a code', () => {
    const play = new Play(HOME).open(600, 'ssh wiki').press('c')
    expect(play.work).toMatchObject({
      verb: 'close',
      services: ['ssh', 'wiki'],
      code: { kind: 'none' },
    })
    play.end({ status: 'closed', detail: 'ssh wiki', clockOffsetMs: 0 })
    expect(play.state).toMatchObject({
      screen: { kind: 'targets' },
      doors: [{ ended: 'closed' }],
      note: { text: 'home: closed: ssh wiki' },
    })
  })

  it('is closed as it was asked for, if the server could not name all that it opened', () => {
    expect(new Play(HOME).open(600, 'ssh +4').press('c').work).toMatchObject({ services: [] })
  })

  it('loses what is closed through another', () => {
    const play = new Play(HOME).press('down').open(900, 'ssh').press('escape', 'up').open(600)
    play
      .press('escape', 'down', 'enter', 'c')
      .end({ status: 'closed', detail: 'ssh', clockOffsetMs: 0 })
    expect(play.state.doors).toMatchObject([
      { ask: { services: ['ssh'] }, ended: 'closed' },
      { ask: { services: [] }, opened: ['wiki'] },
    ])
  })

  it('is still open when closing fails, and can be closed from there', () => {
    const play = new Play(HOME).open(600).press('c')
    play.end({ status: 'no-reply', servers: [], portClosed: false })
    expect(play.screen('failed').verb).toBe('close')
    expect(play.press('enter').screen('door').ask.target).toBe('home')
    expect(play.press('c').work).toMatchObject({ verb: 'close' })
  })

  it('gives its command to the clipboard, or runs it', () => {
    const play = new Play(HOME).open(600)
    expect(play.press('y').work).toMatchObject({ kind: 'copy', text: 'ssh home.example.com' })
    play.tell({ type: 'done', work: play.work.id, note: { text: 'copied', mood: 'good' } })
    expect(play.state).toMatchObject({ work: undefined, note: { text: 'copied' } })
    expect(play.press('r').work).toMatchObject({ kind: 'run', command: 'ssh home.example.com' })
    expect(play.state.note).toBeUndefined()
  })
})

describe('an invitation', () => {
  it('is what a session without targets begins with', () => {
    expect(new Play().screen('add').step).toBe('invitation')
    expect(new Play(HOME).state.screen.kind).toBe('targets')
    expect(new Play().press('escape').state.isOver).toBe(true)
  })

  it('is taken up: pasted, named, added', () => {
    const play = new Play().paste(INVITATION).press('enter')
    expect(play.screen('add')).toMatchObject({ step: 'name', name: 'nas' })
    play.press('^u').type('storage').press('enter')
    expect(play.work).toMatchObject({ kind: 'add', invitation: INVITATION, name: 'storage' })
    const profiles = { targets: [HOME, target('storage')], problems: [] }
    play.tell({ type: 'added', work: play.work.id, name: 'storage', profiles })
    expect(play.state).toMatchObject({ screen: { kind: 'targets' }, targets: profiles.targets })
    expect(chosen(play)).toBe('storage/')
    expect(play.state.note?.text).toContain('delete it')
    expect(JSON.stringify(play.state)).not.toContain('key=')
  })

  it.each([
    ['a truncated URI', INVITATION.slice(0, -40), 'key'],
    ['a bad key', INVITATION.replace('key=', 'key=!'), 'key'],
    ['something else', 'https://example.com', 'oneknock://'],
    ['nothing', '', 'oneknock://'],
  ])('that is %s is refused in words, and forgotten', (_what, text, word) => {
    const play = new Play().paste(text).press('enter')
    expect(play.screen('add')).toMatchObject({ step: 'invitation', text: '' })
    expect(play.screen('add').problem).toContain(word)
    expect(play.state.work).toBeUndefined()
  })

  it.each([
    ['home', 'already'],
    ['No', 'o'],
    ['', '1 to 32'],
  ])('cannot be called %j here', (name, word) => {
    const play = new Play(HOME).press('+').paste(INVITATION).press('enter', '^u')
    play.type(name).press('enter')
    if (name === 'No') expect(play.work).toMatchObject({ kind: 'add', name: 'o' })
    else expect(play.screen('add').problem).toContain(word)
  })

  it('that cannot be kept says why, and can be tried again', () => {
    const play = new Play().paste(INVITATION).press('enter', 'enter')
    play.tell({ type: 'unadded', work: play.work.id, problem: 'cannot write: EACCES' })
    expect(play.screen('add')).toMatchObject({ step: 'name', problem: 'cannot write: EACCES' })
    expect(play.press('enter').work).toMatchObject({ kind: 'add', name: 'nas' })
  })

  it('pasted into the list is taken for what it is, and no filter shows it', () => {
    for (const play of [new Play(HOME).paste(INVITATION), new Play(HOME).type(INVITATION)]) {
      expect(play.screen('add').text).toBe(INVITATION)
      expect(play.state.list.filter).toBe('')
    }
  })

  it('pasted where its name should be leaves no more than a name there', () => {
    const play = new Play().paste(INVITATION).press('enter', '^u').paste(INVITATION)
    expect(play.screen('add').name).toBe('oneknocknasexamplecom62201v1name')
  })
})

describe('everywhere', () => {
  it('? shows the help, and any key goes back', () => {
    for (const key of ['?', 'x', 'escape', 'enter']) {
      const play = new Play(HOME).press('enter').type('12').press('?')
      expect(play.state.isHelpShown).toBe(true)
      play.press(key)
      expect(play.state.isHelpShown).toBe(false)
      expect(play.screen('code').text).toBe('12')
    }
  })

  it('? is a letter where a secret may hold one', () => {
    expect(new Play().type('a?b').screen('add').text).toBe('a?b')
    expect(new Play().type('?').state.isHelpShown).toBe(true)
  })

  it('^C ends the session, and what is under way', () => {
    const play = new Play(HOME).press('enter').type('123456').press('enter', '^c')
    expect(play.state).toMatchObject({ isOver: true, work: undefined })
    expect(new Play(HOME).press('?', '^c').state.isOver).toBe(true)
  })

  it('^Z suspends the session, unless something is under way', () => {
    const play = new Play(HOME).press('^z')
    expect(play.work.kind).toBe('suspend')
    play.tell({ type: 'done', work: play.work.id, note: undefined })
    expect(play.press('enter').type('123456').press('enter', '^z').work.kind).toBe('knock')
  })

  it('Tab shows the history, from the newest', () => {
    const play = new Play(HOME).open(1).pass(1).press('escape', 'tab')
    expect(play.press('down').screen('history').up).toBe(0)
    expect(play.press('up', 'up', 'up').screen('history').up).toBe(1)
    expect(play.press('tab').state.screen.kind).toBe('targets')
  })

  it('history is not kept for ever', () => {
    const play = new Play(HOME)
    for (let i = 0; i < HISTORY_MAX; i++) {
      play.press('enter').type('123456').press('enter').end(refused('schedule')).press('escape')
    }
    play.open(600)
    expect(play.state.history).toHaveLength(HISTORY_MAX)
    expect(play.state.history.at(-1)!.what).toContain('open')
  })

  it('the state holds no code once it is sent and answered', () => {
    const play = new Play(HOME).open(600)
    expect(JSON.stringify(play.state)).not.toContain('123456')
    expect(NO_FACTOR.code).toBe('')
  })

  it('a new size is taken up', () => {
    const size = { columns: 60, rows: 20 }
    expect(new Play(HOME).tell({ type: 'resized', size }).state.size).toEqual(size)
  })
})
