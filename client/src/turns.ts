import { linkSync, readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, pause } from './clock.ts'

/*
 * Of several runs that want the same, one knocks and the others wait for what becomes of it. Node has
 * no flock, and a lock file that is taken from a dead owner can be taken from a living one as well.
 * So nothing is ever taken away: turns have numbers, `home.turn-7`, and whoever links the next number
 * first has that turn. The last file tells whose turn it is, or how it ended; earlier ones are litter.
 */

/** Between two looks at whose turn it is: less than a person notices, and a hundred waiting cost nothing. */
const LOOK_MS = 50
/** Nobody needs longer for a code and an approval: a process of that age is another with the same number. */
const TURN_MAX_MS = 10 * 60_000

export interface Turn {
  /** Tells what came of it to all who waited, or nothing: then the next of them tries. */
  end(outcome?: unknown): void
}

/** Either it is this process's turn, or one that it waited for, with the same ask, ended with an outcome. */
export type Turned =
  | { readonly kind: 'mine'; readonly turn: Turn }
  | { readonly kind: 'told'; readonly outcome: unknown }

/** A turn as its file tells. */
interface Entry {
  readonly pid: number
  /** When the process began, in the system's own words: a number is used again, the pair never. */
  readonly began: string
  /** By the wall clock. */
  readonly at: number
  readonly ask: string
  readonly isOver: boolean
  readonly outcome?: unknown
}

interface Line {
  readonly folder: string
  readonly name: string
}

export async function takeTurn(line: Line, ask: string, clock: Clock): Promise<Turned> {
  let awaited: number | undefined
  for (;;) {
    const number = lastNumber(line)
    const entry = number === 0 ? undefined : read(line, number)
    if (entry && isUnderWay(entry, clock.now())) {
      awaited = number
      await pause(clock, LOOK_MS)
    } else if (entry?.outcome !== undefined && awaited === number && entry.ask === ask) {
      return { kind: 'told', outcome: entry.outcome }
    } else {
      const turn = claim(line, number + 1, ask, clock)
      if (turn) return { kind: 'mine', turn }
    }
  }
}

function isUnderWay({ isOver, pid, began, at }: Entry, now: number): boolean {
  if (isOver || Math.abs(now - at) > TURN_MAX_MS) return false
  return isAlive(pid) && began === beginningOf(pid)
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Field 22 of proc_pid_stat(5), behind a name that may hold spaces and brackets; elsewhere the number has to do. */
function beginningOf(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
  } catch {
    return ''
  }
}

function claim(line: Line, number: number, ask: string, clock: Clock): Turn | undefined {
  const { pid } = process
  const entry: Entry = { pid, began: beginningOf(pid), at: clock.now(), ask, isOver: false }
  const path = pathOf(line, number)
  if (!place(path, entry, linkSync)) return undefined
  // Whoever was slow to link may have a number that others are past.
  if (lastNumber(line) !== number) {
    removeIfThere(path)
    return undefined
  }
  for (const earlier of numbers(line)) if (earlier < number) removeIfThere(pathOf(line, earlier))
  let isOver = false
  return {
    end: outcome => {
      if (isOver) return
      isOver = true
      place(path, { ...entry, isOver, ...(outcome !== undefined && { outcome }) }, renameSync)
    },
  }
}

/** Whole or not at all; `false`: linked by another. */
function place(path: string, entry: Entry, put: (from: string, to: string) => void): boolean {
  const temporary = `${path}.${process.pid}.tmp`
  try {
    writeFileSync(temporary, JSON.stringify(entry), { mode: 0o600 })
    put(temporary, path)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  } finally {
    removeIfThere(temporary)
  }
}

/** `undefined`: gone, or not written by this program. */
function read(line: Line, number: number): Entry | undefined {
  try {
    const entry: unknown = JSON.parse(readFileSync(pathOf(line, number), 'utf8'))
    return isEntry(entry) ? entry : undefined
  } catch {
    return undefined
  }
}

function isEntry(value: unknown): value is Entry {
  const { pid, began, at, ask, isOver } = (value ?? {}) as Partial<Record<keyof Entry, unknown>>
  return (
    Number.isInteger(pid) &&
    typeof began === 'string' &&
    typeof at === 'number' &&
    typeof ask === 'string' &&
    typeof isOver === 'boolean'
  )
}

const pathOf = ({ folder, name }: Line, number: number): string =>
  join(folder, `${name}.turn-${number}`)

const lastNumber = (line: Line): number => Math.max(0, ...numbers(line))

function numbers({ folder, name }: Line): number[] {
  const prefix = `${name}.turn-`
  return readdirSync(folder)
    .filter(file => file.startsWith(prefix))
    .map(file => file.slice(prefix.length))
    .flatMap(text => (/^[1-9]\d{0,14}$/.test(text) ? Number(text) : []))
}

function removeIfThere(path: string): void {
  try {
    unlinkSync(path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
