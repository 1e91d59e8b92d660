import { ok, type Result } from '@oneknock/shared'
import { type Clock, systemClock } from './clock.ts'
import type { CodeError } from './codes.ts'
import { formatDuration } from './duration.ts'
import { EXIT, type Exit } from './exit.ts'
import type { KnockOptions } from './knock.ts'
import { type Knocker, knockOnce } from './knocker.ts'
import { askOf, deviceOf, type Place, type Remembered, recall, type Wish } from './memory.ts'
import type { Profile } from './profile.ts'
import { clockWarning, jsonReport, report } from './report.ts'
import { prepareRuntime } from './runtime.ts'
import { type Turn, takeTurn } from './turns.ts'
import { isUnmoved } from './whereabouts.ts'

/** A way through a door that other runs may be opening, or have opened. */
export interface Passage {
  readonly name: string
  readonly profile: Profile
  readonly options: KnockOptions
  /** Asked for only if this run has to knock: whoever waits for another is asked nothing. */
  readonly knocker: () => Promise<Knocker>
  /** What a person should hear beside the outcome. */
  readonly warn: (line: string) => void
}

/** What became of it, for people, for programs and for the runs that waited. */
export interface Passed {
  readonly exit: Exit
  readonly line: string
  readonly json: object
}

/** A door that closes before it is reached is none. */
const MARGIN_MS = 1_000

/**
 * Sees to it that the door is open, with one knock for all who want it at the same time. A door that
 * another run opened before `since` is not relied on.
 */
export async function pass(
  passage: Passage,
  since: number,
  clock: Clock = systemClock,
): Promise<Result<Passed, CodeError>> {
  const { name, profile, warn } = passage
  const runtime = prepareRuntime()
  if (!runtime.ok) {
    warn(`warning: runs at the same time cannot share this knock: ${runtime.error}`)
    return knockFor(passage, clock, undefined)
  }
  const place: Place = { folder: runtime.value, name, device: deviceOf(profile) }
  const { options } = passage
  const door = await openDoor(place, options, profile.port, since, clock)
  if (door) return ok(toldOf(door, name, clock))

  const turned = await takeTurn(place, `${place.device} ${askOf(options)}`, clock)
  if (turned.kind === 'told' && isPassed(turned.outcome)) return ok(turned.outcome)
  const turn = turned.kind === 'mine' ? turned.turn : undefined
  try {
    // One that it waited for may have opened it, and ended before it could look.
    const opened = await openDoor(place, options, profile.port, since, clock)
    return opened ? ok(toldOf(opened, name, clock)) : await knockFor(passage, clock, turn)
  } finally {
    turn?.end()
  }
}

async function openDoor(
  place: Place,
  wish: Wish,
  port: number,
  since: number,
  clock: Clock,
): Promise<Remembered | undefined> {
  const now = clock.now()
  for (const door of recall(place, wish)) {
    const { madeAt, until, ways } = door
    // A clock that was set back would keep it open for ever.
    if (madeAt < since || madeAt > now || until - MARGIN_MS <= now) continue
    if (await isUnmoved(ways, port)) return door
  }
  return undefined
}

function toldOf({ until }: Remembered, target: string, clock: Clock): Passed {
  const seconds = Math.floor((until - clock.now()) / 1000)
  return {
    exit: EXIT.opened,
    line: `open already, for another ${formatDuration(seconds)}`,
    json: { target, status: 'open', until: new Date(until).toISOString() },
  }
}

async function knockFor(
  passage: Passage,
  clock: Clock,
  turn: Turn | undefined,
): Promise<Result<Passed, CodeError>> {
  const { host, port } = passage.profile
  const result = await knockOnce(await passage.knocker(), clock)
  if (!result.ok) return result
  const warning = clockWarning(result.value)
  if (warning) passage.warn(`warning: ${warning}`)
  const knocked = { name: passage.name, host, port, verb: 'open' } as const
  const passed = { ...report(result.value, knocked), json: jsonReport(result.value, knocked) }
  // Of those who wait, the next may have what this one had not the patience for.
  if (result.value.status !== 'aborted') turn?.end(passed)
  return ok(passed)
}

const EXITS: readonly unknown[] = Object.values(EXIT)

function isPassed(value: unknown): value is Passed {
  const { exit, line, json } = (value ?? {}) as Partial<Record<keyof Passed, unknown>>
  return EXITS.includes(exit) && typeof line === 'string' && typeof json === 'object'
}
