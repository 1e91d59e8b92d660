import { findDoor, isOpen, toClose } from './doors.ts'
import type { Action } from './keys.ts'
import type { Ask, State } from './state.ts'
import { approach, assign, knock, targetOf } from './steps.ts'

export function pressDoor(state: State, ask: Ask, action: Action): State {
  const door = findDoor(state.doors, ask)
  const target = targetOf(state, ask)
  if (action === 'back' || !door || !target) return { ...state, screen: { kind: 'targets' } }
  const { command } = target
  switch (action) {
    case 'extend':
      return approach(state, ask)
    // A door whose time is up: to knock again is all that is left.
    case 'submit':
      return isOpen(door, state.now) ? state : approach(state, ask)
    case 'close':
      return knock(state, ask, 'close', { kind: 'none' }, toClose(door))
    case 'copy':
      return assign(state, { kind: 'copy', text: command })
    case 'run':
      return assign(state, { kind: 'run', command })
    default:
      return state
  }
}
