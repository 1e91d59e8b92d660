import { mkdirSync } from 'node:fs'
import { homedir, hostname } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { fail, ok, type Result } from '@oneknock/shared'
import { checkPrivateFolder, isOwnFolder } from './private-file.ts'

/**
 * Where the runs of this machine tell each other what is open: below XDG_RUNTIME_DIR, which is gone
 * with the session, else in the state folder, which several machines may share.
 */
function runtimeFolder(env: NodeJS.ProcessEnv = process.env): string {
  const runtime = env.XDG_RUNTIME_DIR ?? ''
  // `sudo -E` leaves the caller's: what root makes there, the caller could not use afterwards.
  if (isAbsolute(runtime) && isOwnFolder(runtime)) return join(runtime, 'oneknock')
  const state = env.XDG_STATE_HOME ?? ''
  const home = isAbsolute(state) ? state : join(homedir(), '.local', 'state')
  return join(home, 'oneknock', hostname())
}

/** Makes it, for its owner alone; or a line on why it is not to be used. */
export function prepareRuntime(folder = runtimeFolder()): Result<string, string> {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const isPrivate = checkPrivateFolder(folder)
    return isPrivate.ok ? ok(folder) : fail(isPrivate.error.message)
  } catch (error) {
    return fail(`cannot use ${folder}: ${(error as NodeJS.ErrnoException).code ?? error}`)
  }
}
