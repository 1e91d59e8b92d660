import { type Config, loadConfig, loadStateFolder, usersFolderOf } from '../config.ts'
import { configFailure } from './failure.ts'
import { becomeOwnerOf } from './owner.ts'

/** The configuration, for a command that works on users; all its errors if it has any. */
export async function openSettings(file: string): Promise<Config> {
  becomeOwnerOf(usersFolderOf(file))
  const config = await loadConfig(file)
  if (!config.ok) throw configFailure(config.error)
  return config.value
}

/** The state folder, for a command that asks the daemon or reads its ledger, as its owner. */
export function openState(file: string): string {
  becomeOwnerOf(usersFolderOf(file))
  const state = loadStateFolder(file)
  if (!state.ok) throw configFailure(state.error)
  becomeOwnerOf(state.value)
  return state.value
}
