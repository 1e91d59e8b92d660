import type { Action } from './keys.ts'
import type { PassphraseScreen, State } from './state.ts'
import { approach, assign, goBack } from './steps.ts'

/** More than anybody types: a bound on what a mistaken paste can fill. */
const TEXT_MAX = 1024

export function pressPassphrase(state: State, screen: PassphraseScreen, action: Action): State {
  const { ask, text } = screen
  switch (action) {
    case 'erase':
      return edit(state, screen, text.slice(0, -1))
    case 'clear':
      return edit(state, screen, '')
    case 'back':
      return goBack(state, ask)
    case 'submit':
      return state.work || text === ''
        ? state
        : assign(state, { kind: 'unlock', target: ask.target, passphrase: text })
    default:
      return state
  }
}

export const typePassphrase = (state: State, screen: PassphraseScreen, text: string): State =>
  edit(state, screen, (screen.text + text).slice(0, TEXT_MAX))

/** Not while one is being tried: what is drawn is what was sent. */
const edit = (state: State, screen: PassphraseScreen, text: string): State =>
  state.work ? state : { ...state, screen: { ...screen, text, problem: undefined } }

/** The key is at hand: on to the code, or to the knock if the box held a secret for codes. */
export function unlocked(state: State, name: string, givesCodes: boolean): State {
  const { screen } = state
  if (screen.kind !== 'passphrase') return state
  const targets = state.targets.map(target =>
    target.name === name ? { ...target, isLocked: false, givesCodes } : target,
  )
  return approach({ ...state, work: undefined, targets }, screen.ask)
}

export const stillLocked = (state: State, problem: string): State =>
  state.screen.kind === 'passphrase'
    ? { ...state, work: undefined, screen: { ...state.screen, text: '', problem } }
    : state
