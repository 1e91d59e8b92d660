import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Address, formatNetwork, isName, type Network } from '@oneknock/shared'

/** A door that a run on this machine opened: enough to know whether one has to knock again. */
export interface Remembered {
  /** What was asked for, as `askOf` gives it. */
  readonly ask: string
  readonly services: readonly string[]
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

/** Those who ask for the same share a door. */
export function askOf(services: readonly string[], address: Network | undefined): string {
  const names = [...new Set(services)].sort().join(' ')
  return address ? `${names} for ${formatNetwork(address)}` : names
}

export const deviceOf = (profile: {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly device: string
}): string => `${profile.user} ${profile.device} ${profile.host} ${profile.port}`

export const recall = (place: Place, ask: string): Remembered | undefined =>
  recallAll(place).find(door => door.ask === ask)

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
    ({ ask, until }) => ask !== door.ask && until > door.madeAt,
  )
  const memory: Memory = { device: place.device, doors: [...others, door] }
  const path = pathOf(place)
  const temporary = `${path}.${process.pid}.tmp`
  writeFileSync(temporary, JSON.stringify(memory), { mode: 0o600 })
  renameSync(temporary, path)
}

/** After a closing: services that were closed may be of any door. */
export const forget = (place: Pick<Place, 'folder' | 'name'>): void =>
  rmSync(pathOf(place), { force: true })

const pathOf = ({ folder, name }: Pick<Place, 'folder' | 'name'>): string =>
  join(folder, `${name}.doors`)

function isMemory(value: unknown): value is Memory {
  const { device, doors } = (value ?? {}) as Partial<Record<keyof Memory, unknown>>
  return typeof device === 'string' && Array.isArray(doors) && doors.every(isRemembered)
}

function isRemembered(value: unknown): value is Remembered {
  const { ask, services, opened, admitted, madeAt, until, ways } = (value ?? {}) as Partial<
    Record<keyof Remembered, unknown>
  >
  return (
    [ask, opened, admitted].every(text => typeof text === 'string') &&
    Array.isArray(services) &&
    services.every(isName) &&
    typeof madeAt === 'number' &&
    typeof until === 'number' &&
    Array.isArray(ways) &&
    ways.every(way => typeof way?.server === 'string')
  )
}
