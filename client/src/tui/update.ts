import type { KnockerEvent } from '../knocker.ts'
import type { KnockResult } from '../outcome.ts'
import { pressAdd, typeAdd } from './adding.ts'
import { pressCode, typeCode } from './code.ts'
import { pressDoor } from './door.ts'
import { expire, withRecalled } from './doors.ts'
import { type Action, actionOf } from './keys.ts'
import { conclude, pressKnocking, watch } from './knocking.ts'
import { pressList, typeList } from './list.ts'
import { pressPassphrase, stillLocked, typePassphrase, unlocked } from './passphrase.ts'
import { rowsOf } from './rows.ts'
import type { Door, FailedScreen, Note, Profiles, Size, State, Target } from './state.ts'
import { askCode, assign, fail, goBack } from './steps.ts'

/** What can happen, and when by the wall clock. Answers name the work that they are to. */
export type Event = { readonly at: number } & (
  | { readonly type: 'ticked' }
  | { readonly type: 'resized'; readonly size: Size }
  /** What other runs on this machine opened. */
  | { readonly type: 'recalled'; readonly doors: readonly Door[] }
  /** By their names: `enter`, `^u`, `a`. */
  | { readonly type: 'pressed'; readonly keys: readonly string[] }
  | { readonly type: 'pasted'; readonly text: string }
  | { readonly type: 'heard'; readonly work: number; readonly event: KnockerEvent }
  | { readonly type: 'knocked'; readonly work: number; readonly result: KnockResult }
  /** There is no key or no code to knock with. */
  | { readonly type: 'unable'; readonly work: number; readonly problem: string }
  | {
      readonly type: 'unlocked'
      readonly work: number
      readonly target: string
      readonly givesCodes: boolean
    }
  | { readonly type: 'still-locked'; readonly work: number; readonly problem: string }
  | {
      readonly type: 'added'
      readonly work: number
      readonly name: string
      readonly profiles: Profiles
    }
  | { readonly type: 'unadded'; readonly work: number; readonly problem: string }
  | { readonly type: 'done'; readonly work: number; readonly note: Note | undefined }
)

/** The next state: pure, so that every way through the screens is tested without one. */
export function update(before: State, event: Event): State {
  const state = expire({ ...before, now: event.at })
  // Of work that has been given up since.
  if ('work' in event && event.work !== state.work?.id) return state
  switch (event.type) {
    case 'ticked':
      return state
    case 'resized':
      return { ...state, size: event.size }
    case 'recalled':
      return { ...state, doors: withRecalled(state, event.doors) }
    case 'pressed':
      return event.keys.reduce(press, { ...state, note: undefined })
    case 'pasted':
      return type({ ...state, note: undefined }, event.text)
    case 'heard':
      return watch(state, event.event)
    case 'knocked':
      return conclude(state, event.result)
    case 'unable':
      return fail(state, { title: 'Nothing was sent', what: event.problem, next: '' })
    case 'unlocked':
      return unlocked(state, event.target, event.givesCodes)
    case 'still-locked':
      return stillLocked(state, event.problem)
    case 'added':
      return added(state, event.name, event.profiles)
    case 'unadded':
      return state.screen.kind === 'add'
        ? { ...state, work: undefined, screen: { ...state.screen, problem: event.problem } }
        : state
    case 'done':
      return { ...state, work: undefined, note: event.note }
  }
}

function press(state: State, key: string): State {
  const action = actionOf(state, key)
  if (action) return act(state, action)
  return key.length === 1 ? type(state, key) : state
}

function act(state: State, action: Action): State {
  if (action === 'quit') return { ...state, work: undefined, isOver: true }
  if (action === 'suspend') return assign(state, { kind: 'suspend' })
  if (state.isHelpShown) return { ...state, isHelpShown: false }
  if (action === 'help') return { ...state, isHelpShown: true }
  const { screen } = state
  switch (screen.kind) {
    case 'targets':
      return pressList(state, action)
    case 'passphrase':
      return pressPassphrase(state, screen, action)
    case 'code':
      return pressCode(state, screen, action)
    case 'knocking':
      return pressKnocking(state, screen, action)
    case 'door':
      return pressDoor(state, screen.ask, action)
    case 'failed':
      return pressFailed(state, screen, action)
    case 'add':
      return pressAdd(state, screen, action)
    case 'history':
      return pressHistory(state, screen.up, action)
  }
}

function type(state: State, text: string): State {
  if (state.isHelpShown) return { ...state, isHelpShown: false }
  const { screen } = state
  switch (screen.kind) {
    case 'targets':
      return typeList(state, text)
    case 'passphrase':
      return typePassphrase(state, screen, text)
    case 'code':
      return typeCode(state, screen, text)
    case 'add':
      return typeAdd(state, screen, text)
    default:
      return state
  }
}

function pressFailed(state: State, { ask, verb }: FailedScreen, action: Action): State {
  if (action === 'back') return goBack(state, ask)
  if (action !== 'submit') return state
  // What could not be closed is open still, and can be closed from there.
  return verb === 'close' ? { ...state, screen: { kind: 'door', ask } } : askCode(state, ask)
}

function pressHistory(state: State, up: number, action: Action): State {
  const to = (wanted: number): State => {
    const most = Math.max(0, state.history.length - 1)
    return { ...state, screen: { kind: 'history', up: Math.min(most, Math.max(0, wanted)) } }
  }
  switch (action) {
    case 'up':
      return to(up + 1)
    case 'down':
      return to(up - 1)
    case 'back':
    case 'history':
    case 'submit':
      return { ...state, screen: { kind: 'targets' } }
    default:
      return state
  }
}

function added(state: State, name: string, profiles: Profiles): State {
  const text = `added ${name}; the invitation is no longer needed: delete it`
  // What a passphrase has opened stays open.
  const known = (read: Target) =>
    state.targets.find(target => target.name === read.name && !target.isLocked) ?? read
  const targets = profiles.targets.map(known)
  const unfiltered = { targets, list: { filter: '', at: 0 } }
  const at = rowsOf(unfiltered).findIndex(({ target }) => target.name === name)
  return {
    ...state,
    targets,
    problems: profiles.problems,
    work: undefined,
    screen: { kind: 'targets' },
    list: { filter: '', at: Math.max(0, at) },
    note: { text, mood: 'good' },
  }
}
