import { readFileSync } from 'node:fs'

interface LockedPackage {
  readonly link?: boolean
  readonly resolved?: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
}

/** What a lock file says is installed where: keys are folders, `''` is the root. */
export type Locked = Readonly<Record<string, LockedPackage>>

export const readLock = (): Locked =>
  JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')).packages

/** The names that a workspace's package.json declares it needs when it runs. */
export function declaredBy(locked: Locked, folder: string): string[] {
  const { dependencies, optionalDependencies, peerDependencies } = locked[folder]!
  return Object.keys({ ...dependencies, ...optionalDependencies, ...peerDependencies })
}

/** All that is installed with the package in this folder, by name, found as Node finds it. */
export function treeOf(locked: Locked, folder: string): Set<string> {
  const names = new Set<string>()
  const visited = new Set<string>()
  const visit = (place: string) => {
    if (visited.has(place)) return
    visited.add(place)
    for (const name of declaredBy(locked, place)) {
      const found = find(locked, place, name)
      // An optional or a peer dependency need not be there; what is not installed is not shipped.
      if (found === undefined) continue
      names.add(name)
      visit(found)
    }
  }
  visit(folder)
  return names
}

function find(locked: Locked, place: string, name: string): string | undefined {
  for (let at = place; ; at = at.slice(0, Math.max(0, at.lastIndexOf('/')))) {
    const candidate = `${at === '' ? '' : `${at}/`}node_modules/${name}`
    const entry = locked[candidate]
    if (entry) return entry.link ? entry.resolved! : candidate
    if (at === '') return undefined
  }
}

/** Drawing on a terminal, or asking on one: what a daemon has no use for. */
const UI = [
  /^ink(-|$)/,
  /^@inkjs\//,
  /^p?react(-|$)/,
  /^yoga-/,
  /^chalk(-|$)/,
  /^(ansi|cli|wrap|slice|string)-(escapes|styles|cursor|spinners|boxes|truncate|ansi|width)$/,
  /^(neo-)?blessed(-|$)/,
  /^(terminal-kit|ora|figures|prompts|enquirer|inquirer|kleur|boxen)$/,
  /^@(inquirer|clack)\//,
]

export const isUi = (name: string): boolean => UI.some(pattern => pattern.test(name))
