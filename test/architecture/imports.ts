import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

/** A source file: its path from the project's root, and its text. */
export interface Source {
  readonly path: string
  readonly text: string
}

/** `to` is a path from the root if the import is relative, else the specifier as it stands. */
export interface Import {
  readonly from: string
  readonly to: string
  /** Nothing is loaded: the compiler forgets the whole statement. */
  readonly isType: boolean
}

const ROOT = new URL('../..', import.meta.url).pathname

/** Every TypeScript source of these folders, which lie below the project's root. */
export function readSources(...folders: readonly string[]): Source[] {
  return folders.flatMap(folder =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })
      .map(name => `${folder}/${name}`)
      .filter(path => /\.tsx?$/.test(path))
      .map(path => ({ path, text: readFileSync(join(ROOT, path), 'utf8') })),
  )
}

/** Lines of comments, which may quote imports as examples. */
const COMMENT = /^\s*(\/\/|\/?\*).*$/gm
/** Statements begin their line: the formatter sees to it. Types are imports like any other. */
const STATEMENT =
  /^(?:import|export)\b(?<type> type\b)?(?:[^'"`;]*?\bfrom)?\s*(?<quote>['"])(?<to>[^'"]+)\k<quote>/gm
const DYNAMIC = /\bimport\s*\(\s*(?:(?<quote>['"])(?<to>[^'"]+)\k<quote>\s*\))?/g
const REQUIRE = /\b(?:createRequire|require)\s*\(/g

/** What a file imports, statically, dynamically or for its types alone. */
export function importsOf({ path, text }: Source): Import[] {
  const code = text.replaceAll(COMMENT, '')
  const named = [...code.matchAll(STATEMENT), ...code.matchAll(DYNAMIC)].map(
    // A computed specifier is one that no rule can judge: it stands as a word that none allows.
    match => ({ to: match.groups?.to ?? 'a computed specifier', isType: !!match.groups?.type }),
  )
  const required = [...code.matchAll(REQUIRE)].map(() => ({ to: 'a require', isType: false }))
  return [...named, ...required].map(({ to, isType }) => ({
    from: path,
    to: resolved(path, to),
    isType,
  }))
}

const resolved = (from: string, to: string): string =>
  to.startsWith('.') ? normalize(join(dirname(from), to)) : to

/**
 * The first circle of files that load each other; empty if there is none. Types load nothing, and two
 * files that are one thought may name each other's.
 */
export function findCircle(imports: readonly Import[]): string[] {
  const targets = new Map<string, string[]>()
  for (const { from, to, isType } of imports) {
    if (!isType) targets.set(from, [...(targets.get(from) ?? []), to])
  }
  const done = new Set<string>()
  const visit = (file: string, way: readonly string[]): string[] => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file]
    if (done.has(file)) return []
    for (const to of targets.get(file) ?? []) {
      const circle = visit(to, [...way, file])
      if (circle.length > 0) return circle
    }
    done.add(file)
    return []
  }
  for (const file of targets.keys()) {
    const circle = visit(file, [])
    if (circle.length > 0) return circle
  }
  return []
}
