import { recollect, recordAlone } from '../recollect.ts'
import { setLocked } from '../users/edit.ts'
import { ask } from './ask.ts'
import { editUser } from './edit-user.ts'
import { Failure } from './failure.ts'
import { notifyDaemon } from './notify.ts'
import { print, printJson, remark } from './output.ts'
import { becomeOwnerOf } from './owner.ts'
import { openSettings } from './settings.ts'
import { findUser, type UserOptions } from './users.ts'

/** Shuts somebody out at once, with all their devices: grants end, connections are cut. */
export async function lockUser(name: string, options: UserOptions): Promise<number> {
  const config = await openSettings(options.config)
  await editUser(config, name, {
    wanted: before => ({ ...before, locked: true }),
    text: before => setLocked(before, true),
  })
  const notified = await notifyDaemon(config)
  if (options.json) printJson({ user: name, locked: true, in_effect: notified !== 'refused' })
  else if (notified === 'taken') print(`${name} is locked: what was open for them is closed.\n`)
  else print(`${name} is locked in their file.\n`)
  return notified === 'refused' ? 1 : 0
}

/** Lifts the administrator's lock, and the lockouts that wrong codes led to. */
export async function unlockUser(name: string, options: UserOptions): Promise<number> {
  const config = await openSettings(options.config)
  const user = await findUser(config, name)
  let inEffect = true
  if (user.locked) {
    await editUser(config, name, {
      wanted: before => ({ ...before, locked: false }),
      text: before => setLocked(before, false),
    })
    inEffect = (await notifyDaemon(config)) !== 'refused'
  }
  const answer = await ask(config.state, { command: 'unlock', user: name })
  if (answer === undefined) await forgive(name, config)
  if (options.json) printJson({ user: name, locked: false, in_effect: inEffect })
  else print(`${name} is not locked any more, and wrong codes until now are forgiven.\n`)
  return inEffect ? 0 : 1
}

/** Without a daemon the lockouts are in its ledger alone. */
async function forgive(
  user: string,
  { state, freshness }: { readonly state: string; readonly freshness: number },
): Promise<void> {
  becomeOwnerOf(state)
  const recalled = await recollect(state, freshness)
  if (!recalled.ok) throw new Failure(recalled.error.message)
  if (recalled.value.head.seq === 0) return
  const recorded = await recordAlone(state, freshness, { event: 'unlocked', user })
  if (!recorded.ok) throw new Failure(recorded.error.message)
  remark(`No daemon runs on ${state}; it is in its ledger.`)
}
