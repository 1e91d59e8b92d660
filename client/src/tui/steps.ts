import type { Verb } from '@oneknock/shared'
import { findDoor, isOpen } from './doors.ts'
import { record } from './history.ts'
import type { Ask, Code, FailedScreen, State, Target, Work } from './state.ts'

/** The steps from one screen to another that several of them take. */

/** Work before it has a name: of each kind, all but that. */
type Task = Work extends infer W ? (W extends Work ? Omit<W, 'id'> : never) : never

/** Gives the session something to do. */
export function assign(state: State, task: Task): State {
  const id = state.works + 1
  return { ...state, works: id, work: { ...task, id } as Work }
}

export function askCode(state: State, ask: Ask): State {
  return { ...state, screen: { kind: 'code', ask, text: '', problem: undefined } }
}

export function knock(
  state: State,
  ask: Ask,
  verb: Verb,
  code: Code,
  services: readonly string[] = ask.services,
): State {
  const stage = code.kind === 'own' ? 'code' : 'resolving'
  const progress = { stage, since: state.now, detail: '', ways: [] } as const
  const next = assign(state, { kind: 'knock', ask, verb, services, code })
  return { ...next, screen: { kind: 'knocking', ask, verb, progress } }
}

/** Back from an ask: to its door if that is open, else to the list. */
export function goBack(state: State, ask: Ask): State {
  const door = findDoor(state.doors, ask)
  const isThere = door !== undefined && isOpen(door, state.now)
  return {
    ...state,
    work: undefined,
    screen: isThere ? { kind: 'door', ask } : { kind: 'targets' },
  }
}

/** Asks for what is missing to open it: the passphrase, then the code, unless the target gives its own. */
export function approach(state: State, ask: Ask): State {
  const target = targetOf(state, ask)
  if (target?.isLocked) {
    return { ...state, screen: { kind: 'passphrase', ask, text: '', problem: undefined } }
  }
  return target?.givesCodes ? knock(state, ask, 'open', { kind: 'own' }) : askCode(state, ask)
}

export const targetOf = (
  { targets }: Pick<State, 'targets'>,
  { target }: Ask,
): Target | undefined => targets.find(({ name }) => name === target)

/** A knock has failed: says so, and puts it down. */
export function fail(
  state: State,
  { title, what, next }: Pick<FailedScreen, 'title' | 'what' | 'next'>,
): State {
  const { work } = state
  if (work?.kind !== 'knock') return state
  const { ask, verb } = work
  const failed = { ...state, work: undefined }
  const screen: FailedScreen = { kind: 'failed', ask, verb, title, what, next }
  return { ...record(failed, ask, what, 'bad'), screen }
}
