import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Address, formatNetwork, isName, type Network } from '@oneknock/shared'

/** A door that a run on this machine opened: enough to know whether one has to knock again. */
export interface Remembered {
  /** What was asked for; none: all that may be opened by default. */
  readonly services: readonly string[]
  /** For whom that was asked, as `formatNetwork` gives it; empty: for this machine. */
  readonly address: string
  /** What the server opened, in its words, and for whom. */
  readonly opened: string
  readonly admitted: string
  /** By this machine's clock, milliseconds since the Unix epoch. */
  readonly madeAt: number
  readonly until: number
  readonly ways: readonly Way[]
}

/** A server, and the address that this machine had towards it. */
export interface Way {
  readonly server: Address
  readonly own: Address | null
}

/** A target's memory: of one device there, so that a target added anew begins anew. */
export interface Place {
  readonly folder: string
  readonly name: string
  readonly device: string
}

interface Memory {
  readonly device: string
  readonly doors: readonly Remembered[]
}

/** What a run asks of a target. */
export interface Wish {
  readonly services?: readonly string[]
  readonly address?: Network
}

/** Those who ask for the same share a knock. */
export const askOf = ({ services = [], address }: Wish): string =>
  askFor({ services, address: addressOf(address) })

const askFor = ({ services, address }: Pick<Remembered, 'services' | 'address'>): string =>
  `${[...new Set(services)].sort().join(' ')} for ${address}`

/** As a door remembers it. */
export const addressOf = (address: Network | undefined): string =>
  address ? formatNetwork(address) : ''

export const deviceOf = (profile: {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly device: string
}): string => `${profile.user} ${profile.device} ${profile.host} ${profile.port}`

/** The doors that open all that is asked for: asked for by the same words, or in others. */
export function recall(place: Place, wish: Wish): readonly Remembered[] {
  const { services = [], address } = wish
  return recallAll(place).filter(
    door =>
      askFor(door) === askOf(wish) ||
      (door.address === addressOf(address) && services.length > 0 && opens(door, services)),
  )
}

const opens = (door: Remembered, services: readonly string[]): boolean =>
  services.every(service => namesOf(door).includes(service))

/** Of more than it has room for the server names the first, and counts the others: `ssh wiki +3`. */
const namesOf = ({ opened }: Remembered): readonly string[] => opened.split(' ').filter(isName)

/** Empty if nothing is remembered, or nothing that this program wrote for this device. */
export function recallAll(place: Place): readonly Remembered[] {
  try {
    const memory: unknown = JSON.parse(readFileSync(pathOf(place), 'utf8'))
    return isMemory(memory) && memory.device === place.device ? memory.doors : []
  } catch {
    return []
  }
}

/** The last one who writes wins: what is lost costs one more knock. */
export function remember(place: Place, door: Remembered): void {
  const others = recallAll(place).filter(
    other => askFor(other) !== askFor(door) && other.until > door.madeAt,
  )
  write(place, [...others, door])
}

/** After a closing of these services, or of all if none is named: of every door what is left. */
export function forget(place: Place, services: readonly string[]): void {
  const doors = recallAll(place)
  if (services.length === 0) forgetAll(place)
  else if (doors.length > 0) {
    write(
      place,
      doors.flatMap(door => without(door, services)),
    )
  }
}

function without(door: Remembered, closed: readonly string[]): readonly Remembered[] {
  const names = namesOf(door)
  const left = names.filter(name => !closed.includes(name))
  if (left.length === 0) return []
  // It may be one of those that are only counted, too.
  const isWhole = left.length === names.length && names.join(' ') === door.opened
  return [isWhole ? door : { ...door, services: left, opened: left.join(' ') }]
}

function write(place: Place, doors: readonly Remembered[]): void {
  const memory: Memory = { device: place.device, doors }
  const path = pathOf(place)
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, JSON.stringify(memory), { mode: 0o600 })
  renameSync(temporary, path)
}

/** Of whatever device. */
export const forgetAll = (place: Pick<Place, 'folder' | 'name'>): void =>
  rmSync(pathOf(place), { force: true })

const pathOf = ({ folder, name }: Pick<Place, 'folder' | 'name'>): string =>
  join(folder, `${name}.doors`)

function isMemory(value: unknown): value is Memory {
  const { device, doors } = (value ?? {}) as Partial<Record<keyof Memory, unknown>>
  return typeof device === 'string' && Array.isArray(doors) && doors.every(isRemembered)
}

function isRemembered(value: unknown): value is Remembered {
  const { services, address, opened, admitted, madeAt, until, ways } = (value ?? {}) as Partial<
    Record<keyof Remembered, unknown>
  >
  return (
    [address, opened, admitted].every(text => typeof text === 'string') &&
    Array.isArray(services) &&
    services.every(isName) &&
    typeof madeAt === 'number' &&
    typeof until === 'number' &&
    Array.isArray(ways) &&
    ways.every(way => typeof way?.server === 'string')
  )
}
