import { describe, expect, it } from 'vitest'
import { rowsOf } from '../../../client/src/tui/rows.ts'
import { HISTORY_MAX } from '../../../client/src/tui/state.ts'
import { INVITATION, Play, refused, target } from './play.ts'

const lines = (play: Play): string[] =>
  rowsOf(play.state).map(({ target: { name }, service }) => `${name}/${service ?? ''}`)
const chosen = (play: Play): string | undefined => lines(play)[play.state.list.at]

const HOME = target('home')

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
  })

  it('a new size is taken up', () => {
    const size = { columns: 60, rows: 20 }
    expect(new Play(HOME).tell({ type: 'resized', size }).state.size).toEqual(size)
  })
})
