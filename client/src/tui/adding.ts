import { isName, NAME_MAX, NAME_RULE, parseInvitation } from '@oneknock/shared'
import { whyNoInvitation } from '../invitation.ts'
import type { Action } from './keys.ts'
import { NOT_OF_NAMES } from './list.ts'
import { ADD, type AddScreen, type State } from './state.ts'
import { assign } from './steps.ts'

/** Many times the longest invitation: a bound on what a mistaken paste can fill. */
const TEXT_MAX = 4096

export function pressAdd(state: State, screen: AddScreen, action: Action): State {
  const { step, text, name } = screen
  switch (action) {
    case 'erase':
      return edit(state, screen, (step === 'name' ? name : text).slice(0, -1))
    case 'clear':
      return edit(state, screen, '')
    case 'back':
      return goBack(state, screen)
    case 'submit':
      return step === 'name' ? submitName(state, screen) : submitInvitation(state, screen)
    default:
      return state
  }
}

export const typeAdd = (state: State, screen: AddScreen, typed: string): State =>
  edit(state, screen, (screen.step === 'name' ? screen.name : screen.text) + typed)

function edit(state: State, screen: AddScreen, field: string): State {
  // Even of an invitation pasted again, nothing but this much of its beginning can ever be shown.
  const name = field.replaceAll(NOT_OF_NAMES, '').slice(0, NAME_MAX)
  const changed = screen.step === 'name' ? { name } : { text: field.slice(0, TEXT_MAX) }
  return { ...state, screen: { ...screen, ...changed, problem: undefined } }
}

function goBack(state: State, { step, text }: AddScreen): State {
  if (step === 'name' || text !== '') return { ...state, screen: ADD }
  return state.targets.length === 0
    ? { ...state, isOver: true }
    : { ...state, screen: { kind: 'targets' } }
}

/** A bad one is forgotten at once: it may be nearly good, and is a secret. */
function submitInvitation(state: State, screen: AddScreen): State {
  const invitation = parseInvitation(screen.text)
  return {
    ...state,
    screen: invitation.ok
      ? { ...screen, step: 'name', name: invitation.value.name, problem: undefined }
      : { ...ADD, problem: whyNoInvitation(invitation.error) },
  }
}

function submitName(state: State, screen: AddScreen): State {
  const { text, name } = screen
  if (!isName(name)) return { ...state, screen: { ...screen, problem: NAME_RULE } }
  if (state.targets.some(target => target.name === name)) {
    const problem = `there is a target ${name} already: give this one another name`
    return { ...state, screen: { ...screen, problem } }
  }
  return assign(state, { kind: 'add', invitation: text, name })
}
