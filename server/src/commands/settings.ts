import { type Config, loadConfig, usersFolderOf } from '../config.ts'
import { configFailure } from './failure.ts'
import { becomeOwnerOf } from './owner.ts'

/** The configuration, for a command that works on users; all its errors if it has any. */
export async function openSettings(file: string): Promise<Config> {
  becomeOwnerOf(usersFolderOf(file))
  const config = await loadConfig(file)
  if (!config.ok) throw configFailure(config.error)
  return config.value
}
