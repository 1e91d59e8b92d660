import type { LedgerFiles } from '../../../server/src/ledger/files.ts'
import {
  type Ledger,
  type LedgerEntry,
  type LedgerOptions,
  openLedger,
} from '../../../server/src/ledger/ledger.ts'
import type { Position } from '../../../server/src/ledger/lines.ts'
import type { LedgerFailure, LedgerNote } from '../../../server/src/ledger/notes.ts'
import { writeOpening } from '../../../server/src/ledger/opening.ts'
import { FOLDER } from './disk.ts'

export interface Counted {
  readonly event: 'counted'
  readonly id: number
  readonly text?: string
}

export interface Life {
  readonly ledger: Ledger<Counted>
  /** The state: what it was rebuilt with at first. */
  readonly ids: Set<number>
  readonly replayed: LedgerEntry<Counted>[]
  readonly notes: LedgerNote[]
  /** Whether it was acknowledged, or why it was not. */
  append(id: number, text?: string, refusal?: boolean): Promise<'done' | LedgerFailure['why']>
}

export interface Overrides extends Partial<LedgerOptions<Counted, number[]>> {
  /** When an event changes the state: both are allowed. */
  readonly applies?: 'when appended' | 'when acknowledged'
}

/** Opens a ledger whose state is a set of numbers. */
export async function tryToLive(files: LedgerFiles, { applies, ...overrides }: Overrides = {}) {
  const ids = new Set<number>()
  const replayed: LedgerEntry<Counted>[] = []
  const notes: LedgerNote[] = []
  let now = 1_800_000_000_000
  const opened = await openLedger<Counted, number[]>({
    folder: FOLDER,
    files,
    // A second for each look at the clock: whatever waits for one has waited long enough.
    now: () => {
      now += 1_000
      return now
    },
    checkpoint: () => [...ids],
    restore: restored => {
      for (const id of restored) ids.add(id)
    },
    replay: entry => {
      replayed.push(entry)
      ids.add(entry.event.id)
    },
    report: note => notes.push(note),
    ...overrides,
  })
  if (!opened.ok) return opened
  const ledger = opened.value
  const append: Life['append'] = async (id, text, refusal = false) => {
    if (applies !== 'when acknowledged') ids.add(id)
    const event = { event: 'counted', id, ...(text === undefined ? {} : { text }) } as const
    const outcome = await ledger.append(event, { refusal })
    if (outcome.ok) ids.add(id)
    return outcome.ok ? 'done' : outcome.error.why
  }
  return { ok: true, value: { ledger, ids, replayed, notes, append } satisfies Life } as const
}

export async function live(files: LedgerFiles, overrides: Overrides = {}): Promise<Life> {
  const life = await tryToLive(files, overrides)
  if (!life.ok) throw new Error(life.error.message)
  return life.value
}

/** A checkpoint as it is written: chunk by chunk. */
export async function openingOf(
  after: Position | undefined,
  at: number,
  state: unknown,
  alone: boolean,
) {
  const chunks: Buffer[] = []
  const write = async (chunk: Buffer) => void chunks.push(chunk)
  const { bytes, head, rest } = await writeOpening(after, at, state, alone, write)
  return { chunks: [...chunks, rest], bytes, head }
}

export const turns = async (count: number): Promise<void> => {
  for (let i = 0; i < count; i++) await new Promise(resolve => setImmediate(resolve))
}
