import { REASONS } from '@oneknock/shared'
import { describe, expect, it } from 'vitest'
import { isCodeUsed } from '../../../client/src/tui/code.ts'
import { doorOf, rowsOf } from '../../../client/src/tui/rows.ts'
import { NOON, Play, refused, target } from './play.ts'

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
