import { accessSync, constants } from 'node:fs'
import { join } from 'node:path'

/** Where Debian and others keep what users without root do not have in their PATH. */
const SYSTEM_FOLDERS = [
  '/usr/local/sbin',
  '/usr/sbin',
  '/sbin',
  '/usr/local/bin',
  '/usr/bin',
  '/bin',
]

/** The first executable of this name in PATH, then in the system's folders. */
export function findProgram(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(':'), ...SYSTEM_FOLDERS]
  return folders
    .filter(folder => folder.startsWith('/'))
    .map(folder => join(folder, name))
    .find(isExecutable)
}

/**
 * All that a child of ours needs to know. No HOME: `nft -i` would write every command into a
 * history there. Messages in one language, since some are read.
 */
export const CHILD_ENV: NodeJS.ProcessEnv = { PATH: SYSTEM_FOLDERS.join(':'), LC_ALL: 'C' }

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
