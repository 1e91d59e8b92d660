import { statSync } from 'node:fs'
import { Failure } from './failure.ts'

/**
 * Run as root, a command becomes the owner of the folder it works in: what it writes the daemon can
 * read, what it cannot read the daemon could not either, and no link in there leads root astray.
 */
export function becomeOwnerOf(folder: string): void {
  if (process.geteuid?.() !== 0) return
  const stats = statSync(folder, { throwIfNoEntry: false })
  if (!stats || stats.uid === 0) return
  try {
    // Groups first: afterwards there is no right left to change them.
    process.setgroups?.([stats.gid])
    process.setgid?.(stats.gid)
    process.setuid?.(stats.uid)
  } catch (error) {
    const reason = error instanceof Error ? error.message : error
    throw new Failure(`cannot become uid ${stats.uid}, who owns ${folder}: ${reason}`)
  }
}
