import type { Action } from './keys.ts'
import { askOf, doorOf, firstMatch, rowsOf } from './rows.ts'
import { ADD, type State } from './state.ts'
import { approach } from './steps.ts'

/** As far as a page key goes, whatever the size of the screen. */
const PAGE = 10
export const NOT_OF_NAMES = /[^a-z0-9-]/g
/** An invitation pasted where there is nothing to paste it to: taken for what it is, and not shown. */
const INVITATION = /^oneknock:/i

export function pressList(state: State, action: Action): State {
  const { at, filter } = state.list
  switch (action) {
    case 'up':
      return move(state, at - 1)
    case 'down':
      return move(state, at + 1)
    case 'pageUp':
      return move(state, at - PAGE)
    case 'pageDown':
      return move(state, at + PAGE)
    case 'erase':
      return narrow(state, filter.slice(0, -1))
    case 'clear':
      return narrow(state, '')
    case 'back':
      return filter === '' ? { ...state, isOver: true } : narrow(state, '')
    case 'submit':
      return choose(state)
    case 'add':
      return { ...state, screen: ADD }
    case 'history':
      return { ...state, screen: { kind: 'history', up: 0 } }
    default:
      return state
  }
}

export function typeList(state: State, text: string): State {
  const whole = state.list.filter + text
  if (INVITATION.test(whole)) {
    return { ...narrow(state, ''), screen: { ...ADD, text: whole } }
  }
  return narrow(state, whole.toLowerCase().replaceAll(NOT_OF_NAMES, ''))
}

function move(state: State, wanted: number): State {
  const last = Math.max(0, rowsOf(state).length - 1)
  return { ...state, list: { ...state.list, at: Math.min(last, Math.max(0, wanted)) } }
}

function narrow(state: State, filter: string): State {
  const list = { filter, at: 0 }
  return { ...state, list: { filter, at: firstMatch({ targets: state.targets, list }) } }
}

/** To the door that is open there, or to open one. */
function choose(state: State): State {
  const row = rowsOf(state)[state.list.at]
  if (!row) return state
  const door = doorOf(state, row)
  return door ? { ...state, screen: { kind: 'door', ask: door.ask } } : approach(state, askOf(row))
}
