import { join } from 'node:path'
import { fail, ok, type Result } from '@oneknock/shared'
import { type ControlError, openControl } from './control.ts'
import { systemClock } from './core/clock.ts'
import type { Event } from './core/events.ts'
import { type Checkpoint, State } from './core/state.ts'
import { type LedgerFiles, systemFiles } from './ledger/files.ts'
import { openLedger } from './ledger/ledger.ts'
import { GENESIS, type Head } from './ledger/lines.ts'
import type { LedgerError, LedgerFailure } from './ledger/notes.ts'
import { recover } from './ledger/recover.ts'

/** The daemon's memory, for commands that are run while there is no daemon. */

export const ledgerFolder = (stateFolder: string): string => join(stateFolder, 'ledger')

export interface Recollection {
  readonly state: State
  readonly head: Head
}

/** Reads it. Nothing on the disk is changed. */
export async function recollect(
  stateFolder: string,
  freshnessMs: number,
): Promise<Result<Recollection, LedgerError>> {
  const state = new State(systemClock, freshnessMs)
  const recovered = await recover({
    folder: ledgerFolder(stateFolder),
    files: readOnly,
    restore: checkpoint => state.restore(checkpoint as Checkpoint),
    replay: ({ event, at }) => state.apply(event as unknown as Event, at),
    report: () => {},
  })
  if (!recovered.ok) return recovered
  state.keepTime(systemClock.now())
  const { seq, hash } = recovered.value.last ?? GENESIS
  return ok({ state, head: { seq, hash } })
}

/** The disk as commands see it that change nothing: a folder that is not there holds nothing. */
export const readOnly: LedgerFiles = {
  ...systemFiles,
  ensureFolder: async () => {},
  list: folder =>
    systemFiles.list(folder).catch(error => (error.code === 'ENOENT' ? [] : Promise.reject(error))),
}

/** Puts an event on record as the daemon would, which must not be running. */
export async function recordAlone(
  stateFolder: string,
  freshnessMs: number,
  event: Event,
): Promise<Result<void, ControlError | LedgerError | LedgerFailure>> {
  const recorded = await decideAlone(stateFolder, freshnessMs, async () => event)
  return recorded.ok ? ok(undefined) : recorded
}

/**
 * Decides something in the daemon's place, on its memory, and puts it on record; what was decided
 * counts only if this succeeds.
 */
export function decideAlone<E extends Event | undefined>(
  stateFolder: string,
  freshnessMs: number,
  decide: (state: State) => Promise<E>,
): Promise<Result<E, ControlError | LedgerError | LedgerFailure>> {
  return alone<E, LedgerError | LedgerFailure>(stateFolder, async () => {
    const state = new State(systemClock, freshnessMs)
    const ledger = await openLedger<Event, Checkpoint>({
      folder: ledgerFolder(stateFolder),
      files: systemFiles,
      now: systemClock.now,
      checkpoint: () => state.checkpoint(),
      restore: checkpoint => state.restore(checkpoint),
      replay: entry => state.apply(entry.event, entry.at),
    })
    if (!ledger.ok) return ledger
    try {
      state.keepTime(systemClock.now())
      const event = await decide(state)
      if (!event) return ok(event)
      state.apply(event, systemClock.now())
      const written = await ledger.value.append(event)
      return written.ok ? ok(event) : written
    } finally {
      await ledger.value.close()
    }
  })
}

/** What whoever asks meanwhile is told. */
export const AT_WORK = 'a command of the administrator is at work; ask again in a moment'

/** Does something with the state folder in a daemon's place, so that none starts meanwhile. */
export async function alone<T, E>(
  stateFolder: string,
  work: () => Promise<Result<T, E>>,
): Promise<Result<T, E | ControlError>> {
  const control = await openControl(stateFolder, async () => {
    throw new Error(AT_WORK)
  })
  if (!control.ok) return fail(control.error)
  try {
    return await work()
  } finally {
    await control.value.close()
  }
}
