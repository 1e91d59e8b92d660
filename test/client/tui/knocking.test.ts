import { describe, expect, it } from 'vitest'
import type { KnockResult } from '../../../client/src/outcome.ts'
import type { Door } from '../../../client/src/tui/state.ts'
import { NOON, opened, Play, refused, target } from './play.ts'

const HOME = target('home')

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

  it('waits for the next code when its own was used, and then begins anew', () => {
    const play = new Play(target('home', { givesCodes: true })).press('enter')
    play.hear({ type: 'resolving', host: 'h' }).hear(route(4, '192.0.2.1'))
    play.now += 10_000
    play.hear({ type: 'code-used', waitMs: 20_000 })
    const { progress } = play.screen('knocking')
    expect(progress).toMatchObject({ stage: 'next-code', since: play.now, ways: [] })
    play.pass(20).hear({ type: 'resolving', host: 'h' }).hear(route(4, '192.0.2.1'))
    expect(play.screen('knocking').progress.ways).toHaveLength(1)
    expect(play.end(opened(play.now + 60_000)).screen('door')).toBeDefined()
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

  it('that another run opened is known, but nothing shorter than what is', () => {
    const recalled = (name: string, seconds: number, until = NOON + seconds * 1000): Door => ({
      ...{ ask: { target: 'home', services: [name] }, opened: [name], admitted: '192.0.2.9' },
      ...{ lifetime: 60, until },
    })
    const play = new Play(HOME)
    play.tell({ type: 'recalled', doors: [recalled('ssh', 30), recalled('wiki', -1)] })
    expect(play.state.doors).toEqual([recalled('ssh', 30)])
    play.tell({ type: 'recalled', doors: [recalled('ssh', 20), recalled('ssh', 40)] })
    expect(play.state.doors).toEqual([recalled('ssh', 40)])
    expect(play.state.history).toEqual([])
    play.pass(40)
    expect(play.state.doors).toMatchObject([{ ended: 'expired' }])
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
