import { mkdirSync } from 'node:fs'
import type { Config } from '../config.ts'
import { type Control, type Handle, openControl } from '../control.ts'
import type { Clock } from '../core/clock.ts'
import type { Event } from '../core/events.ts'
import type { Checkpoint, State } from '../core/state.ts'
import { findGroup } from '../groups.ts'
import { systemFiles } from '../ledger/files.ts'
import { type Ledger, openLedger } from '../ledger/ledger.ts'
import type { LedgerNote } from '../ledger/notes.ts'
import { ledgerFolder } from '../recollect.ts'
import { StartFailure } from './failure.ts'

/** Makes the state folder this daemon's own, and answers the administrator there. */
export async function holdFolder(
  { state: folder, adminGroup }: Config,
  handle: Handle,
): Promise<Control> {
  const group = adminGroup === undefined ? undefined : findGroup(adminGroup)
  if (adminGroup !== undefined && group === undefined) {
    const remedy = 'make it with groupadd, or change admin.group'
    throw new StartFailure('unavailable', `there is no group ${adminGroup}: ${remedy}`)
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
  } catch (error) {
    throw new StartFailure(
      'unavailable',
      `cannot make the state folder ${folder}: ${(error as Error).message}`,
    )
  }
  const control = await openControl(folder, handle, group)
  if (!control.ok) throw new StartFailure(control.error.code, control.error.message)
  return control.value
}

/** Rebuilds the memory, and goes on recording. */
export async function openState(
  { state: folder }: Config,
  state: State,
  clock: Clock,
  report: (note: LedgerNote) => void,
): Promise<Ledger<Event>> {
  const opened = await openLedger<Event, Checkpoint>({
    folder: ledgerFolder(folder),
    files: systemFiles,
    now: clock.now,
    checkpoint: () => state.checkpoint(),
    restore: checkpoint => state.restore(checkpoint),
    replay: ({ event, at }) => state.apply(event, at),
    report,
  })
  if (!opened.ok) throw new StartFailure('ledger', opened.error.message)
  return opened.value
}
