import { fail, ok, type Result } from '@oneknock/shared'
import type { Recorded } from '../core/recorded.ts'
import type { LedgerFiles } from './files.ts'
import type { Head, LedgerEvent } from './lines.ts'
import { anotherDaemon, type LedgerError, type LedgerFailure, type LedgerNote } from './notes.ts'
import { recover } from './recover.ts'
import { Writer } from './writer.ts'

export interface LedgerOptions<E extends LedgerEvent, C> {
  readonly folder: string
  /** The disk. */
  readonly files: LedgerFiles
  /** Milliseconds since the Unix epoch, a whole number. */
  readonly now: () => number
  /**
   * The present state, which becomes the first line of every new file. It must hold the effect of
   * every event whose append has resolved (so: apply it no later than in the first continuation of
   * that promise), and may hold that of events still under way. It is written over many turns of the
   * loop, and must not change meanwhile.
   */
  readonly checkpoint: () => Recorded<C>
  /** Called while opening, at most once, before any `replay`. */
  readonly restore: (checkpoint: C) => void
  /**
   * Called while opening for every good line behind the checkpoint. The checkpoint may hold an
   * event's effect already: replaying it must change nothing then.
   */
  readonly replay: (entry: LedgerEntry<E>) => void
  readonly maxFileBytes?: number
  readonly spaceBytes?: number
  readonly report?: (note: LedgerNote) => void
}

export interface LedgerEntry<E> {
  readonly seq: number
  readonly at: number
  readonly event: E
}

export interface Ledger<E> {
  /**
   * Resolves when the event is durable, or with the reason why it is not; never rejects. What one
   * turn of the event loop appends shares one fdatasync. A failed event was not acknowledged, but a
   * crash right behind the failure may bring it back, as with any write that was under way.
   *
   * `refusal`: never takes the last tenth of the space.
   */
  append(event: E, options?: { readonly refusal?: boolean }): Promise<Result<void, LedgerFailure>>
  /** Waits for what was appended before, and lets go of the file. */
  close(): Promise<void>
  /** The last durable line. */
  head(): Head
}

/** What starting reads at most, besides the checkpoint: some 40,000 knocks, a quarter of a second. */
export const MAX_FILE_BYTES = 16 * 1024 * 1024
/** Two million knocks: years at a door that people use, three weeks under one knock a second. */
export const SPACE_BYTES = 1024 * 1024 * 1024

/**
 * Rebuilds the state from the ledger in the folder, and opens a new file in it. If that fails with
 * an error, what was restored by then is to be thrown away. A disk that cannot be written is no such
 * error: the ledger opens, every append fails, and it recovers when the disk does.
 */
export async function openLedger<E extends LedgerEvent, C>(
  options: LedgerOptions<E, C>,
): Promise<Result<Ledger<E>, LedgerError>> {
  const { folder, files, now, checkpoint, report = () => {} } = options
  const recovered = await recover({
    folder,
    files,
    report,
    // The chain has shown that this is what was written: the casts trust our own past selves.
    restore: state => options.restore(state as C),
    replay: ({ seq, at, event }) => options.replay({ seq, at, event: event as unknown as E }),
  })
  if (!recovered.ok) return recovered
  const writer = new Writer({
    folder,
    files,
    now,
    checkpoint,
    report,
    maxFileBytes: options.maxFileBytes ?? MAX_FILE_BYTES,
    spaceBytes: options.spaceBytes ?? SPACE_BYTES,
    recovered: recovered.value,
  })
  const failed = await writer.start()
  return failed?.why === 'another-daemon' ? fail(anotherDaemon(folder)) : ok(writer)
}
