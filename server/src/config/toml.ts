import { fail, ok, type Result } from '@oneknock/shared'
import { parse, TomlError } from 'smol-toml'
import type { AST } from 'toml-eslint-parser'
import { type ConfigError, formatPath, type Path, type Problem } from './error.ts'

export type Table = Readonly<Record<string, unknown>>

export const isTable = (value: unknown): value is Table =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)

export function parseToml(file: string, text: string): Result<Table, ConfigError> {
  try {
    return ok(parse(text))
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    // The rest of the message quotes the lines around, which may hold a secret.
    const reason = error.message.split('\n', 1)[0]!.replace('Invalid TOML document: ', '')
    return fail({ code: 'syntax', file, line: error.line, message: `this is not TOML: ${reason}` })
  }
}

/** Finds the line of each problem. Only here are positions needed, so only here is that parser loaded. */
export async function locate(
  file: string,
  text: string,
  problems: readonly Problem[],
): Promise<ConfigError[]> {
  const lines = await linesOf(text)
  return problems
    .map(({ path, ...problem }) => {
      const line = lineOf(lines, path)
      return {
        ...problem,
        file,
        ...(line !== undefined && { line }),
        ...(path.length > 0 && { key: formatPath(path) }),
      }
    })
    .sort((a, b) => (a.line ?? 0) - (b.line ?? 0))
}

type Lines = ReadonlyMap<string, number>

const lineKey = (path: Path): string => JSON.stringify(path)

/** The line of the value, or of the closest table around it that is written down. */
function lineOf(lines: Lines, path: Path): number | undefined {
  for (let length = path.length; length > 0; length--) {
    const line = lines.get(lineKey(path.slice(0, length)))
    if (line !== undefined) return line
  }
  return undefined
}

async function linesOf(text: string): Promise<Lines> {
  const lines = new Map<string, number>()
  const note = (path: Path, node: AST.TOMLNode): void => {
    // A table named by several headers stands where the first of them is.
    for (let length = 1; length <= path.length; length++) {
      const key = lineKey(path.slice(0, length))
      if (!lines.has(key)) lines.set(key, node.loc.start.line)
    }
  }
  const visit = (
    node: AST.TOMLKeyValue | AST.TOMLTable | AST.TOMLContentNode,
    path: Path,
  ): void => {
    note(path, node)
    switch (node.type) {
      case 'TOMLTable':
      case 'TOMLInlineTable':
        for (const entry of node.body) visit(entry, [...path, ...keysOf(entry.key)])
        break
      case 'TOMLKeyValue':
        visit(node.value, path)
        break
      case 'TOMLArray':
        for (const [index, element] of node.elements.entries()) visit(element, [...path, index])
        break
      case 'TOMLValue':
    }
  }
  const program = await parsePositions(text)
  for (const node of program?.body[0].body ?? []) {
    visit(node, node.type === 'TOMLTable' ? node.resolvedKey : keysOf(node.key))
  }
  return lines
}

export const keysOf = (key: AST.TOMLKey): string[] =>
  key.keys.map(part => (part.type === 'TOMLBare' ? part.name : part.value))

/** `undefined` for what this parser does not take and the other does: an error without a line is one still. */
export async function parsePositions(text: string): Promise<AST.TOMLProgram | undefined> {
  const { ParseError, parseTOML } = await import('toml-eslint-parser')
  try {
    return parseTOML(text, { tomlVersion: 'next' })
  } catch (error) {
    if (error instanceof ParseError) return undefined
    throw error
  }
}
