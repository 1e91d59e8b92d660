import { readdirSync, type Stats, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Finding, finding, fine } from './finding.ts'

export interface Places {
  readonly configFile: string
  readonly usersFolder: string
  readonly state: string
  readonly ledger: string
  readonly groupPasses: boolean
}

const OTHERS = 0o077
const GROUP_PASSES = 0o010
const WRITABLE = 0o022

/** Who else could read what is the daemon's alone, or be the daemon. */
export function modes({ configFile, usersFolder, state, ledger, groupPasses }: Places): Finding[] {
  const owner = stat(state)?.uid ?? stat(usersFolder)?.uid
  const passing = groupPasses ? OTHERS & ~GROUP_PASSES : OTHERS
  const found = [
    ...check(configFile, WRITABLE, 'go-w', undefined),
    ...check(state, passing, '700', owner),
    ...check(usersFolder, OTHERS, '700', owner),
    ...check(ledger, OTHERS, '700', owner),
    ...filesIn(usersFolder, '.toml').flatMap(file => check(file, OTHERS, '600', owner)),
    ...filesIn(ledger, '.jsonl').flatMap(file => check(file, OTHERS, '600', owner)),
  ]
  return found.length > 0 ? found : [fine('files', 'are the daemon’s alone')]
}

function check(
  path: string,
  forbidden: number,
  right: string,
  owner: number | undefined,
): Finding[] {
  const stats = stat(path)
  if (!stats) return []
  const mode = stats.mode & 0o7777
  const problem = (found: string, remedy: string) => [
    finding('files', 'problem', `${path} ${found}`, remedy),
  ]
  if ((mode & forbidden) !== 0) {
    const harm = forbidden === WRITABLE ? 'can be written by others' : 'is not the daemon’s alone'
    return problem(`${harm} (mode ${mode.toString(8)})`, `chmod ${right} ${path}`)
  }
  if (owner === undefined || stats.uid === owner) return []
  return problem(
    `belongs to uid ${stats.uid}, not to the daemon’s ${owner}`,
    `chown ${owner} ${path}`,
  )
}

const stat = (path: string): Stats | undefined => {
  try {
    return statSync(path, { throwIfNoEntry: false })
  } catch {
    return undefined // Not for us to see: what may be seen is told.
  }
}

function filesIn(folder: string, suffix: string): string[] {
  try {
    return readdirSync(folder)
      .filter(name => name.endsWith(suffix) && !name.startsWith('.'))
      .map(name => join(folder, name))
  } catch {
    return []
  }
}
