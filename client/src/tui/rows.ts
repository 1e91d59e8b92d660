import { isOpen } from './doors.ts'
import type { Ask, Door, State, Target } from './state.ts'

/** A line of the list: a target, or one of its services. */
export interface Row {
  readonly target: Target
  /** Absent: all that the user may open there. */
  readonly service?: string
}

/**
 * What the filter leaves of the targets. A target that it names stands with all of its services, any
 * other with those that it names. A single service needs no line of its own.
 */
export function rowsOf({ targets, list: { filter } }: Pick<State, 'targets' | 'list'>): Row[] {
  return targets.flatMap(target => {
    const isNamed = target.name.includes(filter)
    const services = target.services.filter(service => isNamed || service.includes(filter))
    if (!isNamed && services.length === 0) return []
    const lines = target.services.length > 1 ? services : []
    return [{ target }, ...lines.map(service => ({ target, service }))]
  })
}

/** The row to begin with: the first that the filter names. */
export function firstMatch(state: Pick<State, 'targets' | 'list'>): number {
  const { filter } = state.list
  const found = rowsOf(state).findIndex(({ target, service }) =>
    (service ?? target.name).includes(filter),
  )
  return Math.max(0, found)
}

export const askOf = ({ target, service }: Row): Ask => ({
  target: target.name,
  services: service === undefined ? [] : [service],
})

/**
 * The door that a row shows: of those that are open, the one that is open longest. A service that is
 * open by itself does not make the whole target so.
 */
export function doorOf({ doors, now }: Pick<State, 'doors' | 'now'>, row: Row): Door | undefined {
  const { target, service } = row
  return doors
    .filter(door => door.ask.target === target.name && isOpen(door, now))
    .filter(({ ask, opened }) =>
      service === undefined ? ask.services.length === 0 : opened.includes(service),
    )
    .reduce<Door | undefined>(
      (best, door) => (best && best.until > door.until ? best : door),
      undefined,
    )
}
