import { record } from './history.ts'
import type { Ask, Door, State } from './state.ts'

export const isOpen = (door: Door, now: number): boolean => !door.ended && door.until > now

const sameAsk = (one: Ask, other: Ask): boolean =>
  one.target === other.target && one.services.join(' ') === other.services.join(' ')

export const findDoor = (doors: readonly Door[], ask: Ask): Door | undefined =>
  doors.find(door => sameAsk(door.ask, ask))

/** One door for each ask. What an earlier grant gave lasts beside the new one. */
export function withDoor(doors: readonly Door[], door: Door, now: number): Door[] {
  const earlier = findDoor(doors, door.ask)
  const until = earlier && isOpen(earlier, now) ? Math.max(earlier.until, door.until) : door.until
  return [...doors.filter(other => other !== earlier), { ...door, until }]
}

/** With those that other runs opened, unless this session knows them, or one that lasts as long. */
export const withRecalled = (
  { doors, now }: Pick<State, 'doors' | 'now'>,
  recalled: readonly Door[],
): readonly Door[] =>
  recalled.reduce<readonly Door[]>((known, door) => {
    const earlier = findDoor(known, door.ask)
    const isKnown = !isOpen(door, now) || (earlier !== undefined && earlier.until >= door.until)
    return isKnown ? known : withDoor(known, door, now)
  }, doors)

/** What to name when a door is to be closed: what was opened, if the server could say all of it. */
export const toClose = ({ ask, opened }: Door): readonly string[] =>
  opened.length === 0 || opened.some(name => name.startsWith('+')) ? ask.services : opened

/** The server closes services, whichever ask opened them. A door of which nothing is left has ended. */
export function withoutClosed(doors: readonly Door[], ask: Ask, closed: Ask['services']): Door[] {
  return doors.map(door => {
    if (door.ask.target !== ask.target || door.ended) return door
    const opened = door.opened.filter(name => !closed.includes(name))
    if (opened.length === 0 || sameAsk(door.ask, ask)) return { ...door, ended: 'closed' }
    return { ...door, opened }
  })
}

/** Ends the doors whose time is up. */
export function expire(state: State): State {
  const expired = state.doors.filter(door => !door.ended && door.until <= state.now)
  if (expired.length === 0) return state
  const doors = state.doors.map(
    (door): Door => (expired.includes(door) ? { ...door, ended: 'expired' } : door),
  )
  return expired.reduce<State>(
    (after, { ask }) => record(after, ask, 'closed: its time was up', 'plain'),
    { ...state, doors },
  )
}
