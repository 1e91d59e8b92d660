import type { Reason } from '@oneknock/shared'
import { formatDuration } from '../duration.ts'
import type { KnockerEvent } from '../knocker.ts'
import type { Closed, KnockResult, Opened } from '../outcome.ts'
import { clockWarning, explainFailure, type Failed, formatAdmitted } from '../report.ts'
import { stepOf } from './code.ts'
import { withDoor, withoutClosed } from './doors.ts'
import { record } from './history.ts'
import type { Action } from './keys.ts'
import type { KnockingScreen, Progress, State, Way, Work } from './state.ts'
import { fail, goBack, targetOf } from './steps.ts'

type KnockWork = Extract<Work, { kind: 'knock' }>

export function pressKnocking(state: State, { ask }: KnockingScreen, action: Action): State {
  if (action !== 'back') return state
  return goBack(record(state, ask, 'stopped; the door may open all the same', 'plain'), ask)
}

export function watch(state: State, event: KnockerEvent): State {
  const { screen, now } = state
  if (screen.kind !== 'knocking') return state
  return { ...state, screen: { ...screen, progress: follow(screen.progress, event, now) } }
}

function follow(progress: Progress, event: KnockerEvent, now: number): Progress {
  const { ways, stage } = progress
  switch (event.type) {
    case 'resolving':
      return { ...progress, stage: 'resolving', since: now, detail: event.host }
    case 'falling-back':
      return { ...progress, ways: [], stage: 'resolving', since: now, detail: event.url }
    case 'route': {
      const { server, family } = event
      const way: Way = { server, family, sent: 0, trouble: undefined, isAnswered: false }
      const asking = { ...progress, ways: [...ways, way] }
      return stage === 'asking' ? asking : { ...asking, stage: 'asking', since: now, detail: '' }
    }
    case 'sent':
      return onWay(progress, event.family, { sent: event.attempt, trouble: undefined })
    case 'trouble':
      return onWay(progress, event.family, { trouble: event.cause })
    case 'reply': {
      const heard = onWay(progress, event.family, { isAnswered: true })
      if (event.status !== 'pending' || stage === 'pending') return heard
      return { ...heard, stage: 'pending', since: now, detail: event.detail }
    }
    case 'clock':
      return progress
    case 'code-used':
      return { stage: 'next-code', since: now, detail: '', ways: [] }
  }
}

const onWay = (progress: Progress, family: number, change: Partial<Way>): Progress => ({
  ...progress,
  ways: progress.ways.map(way => (way.family === family ? { ...way, ...change } : way)),
})

export function conclude(before: State, result: KnockResult): State {
  const { work } = before
  if (work?.kind !== 'knock') return before
  const warning = clockWarning(result)
  const told = withUsedCode(before, work, result)
  const state: State = warning ? { ...told, note: { text: warning, mood: 'bad' } } : told
  if (result.status === 'opened') return opened(state, work, result)
  if (result.status === 'closed' && work.verb === 'close') return closed(state, work, result)
  const target = targetOf(state, work.ask)
  const place = { name: work.ask.target, host: target?.host ?? '', port: target?.port ?? 0 }
  return fail(state, { title: TITLES[result.status], ...explainFailure(result, place) })
}

const TITLES: Readonly<Record<Failed['status'], string>> = {
  closed: 'Closed again',
  pending: 'Not approved yet',
  refused: 'Refused',
  'no-reply': 'No reply',
  unreachable: 'No way there',
  unresolved: 'Not found',
  aborted: 'Interrupted',
  invalid: 'Not possible',
}

function opened(state: State, { ask }: KnockWork, result: Opened): State {
  const { admitted, lifetime, until, detail } = result
  const names = detail.split(' ').filter(name => name !== '')
  const door = { ask, opened: names, admitted: formatAdmitted(admitted), lifetime, until }
  const what = `open for ${formatDuration(lifetime)}: ${detail}`
  return {
    ...record(state, ask, what, 'good'),
    work: undefined,
    doors: withDoor(state.doors, door, state.now),
    screen: { kind: 'door', ask },
  }
}

function closed(state: State, { ask }: KnockWork, { detail }: Closed): State {
  const text = detail ? `closed: ${detail}` : 'nothing of yours was open'
  return {
    ...record(state, ask, text, 'plain'),
    work: undefined,
    doors: withoutClosed(state.doors, ask, detail.split(' ')),
    screen: { kind: 'targets' },
    note: state.note ?? { text: `${ask.target}: ${text}`, mood: 'good' },
  }
}

/** A right code is burnt whatever comes after it; only these say that it was not right, or not looked at. */
const NOT_BURNT: readonly Reason[] = ['none', 'wrong-factor', 'locked', 'state-unavailable']

function withUsedCode(state: State, { ask, code }: KnockWork, result: KnockResult): State {
  if (code.kind !== 'typed' || code.factor.kind !== 'totp') return state
  const isBurnt =
    result.status === 'opened' ||
    result.status === 'pending' ||
    (result.status === 'refused' && !NOT_BURNT.includes(result.reason))
  if (!isBurnt) return state
  return { ...state, usedSteps: { ...state.usedSteps, [ask.target]: stepOf(state.now) } }
}
