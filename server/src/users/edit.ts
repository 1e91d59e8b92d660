import type { AST } from 'toml-eslint-parser'
import { keysOf, parsePositions } from '../config/toml.ts'
import type { Device, RecoveryCode, TotpFactor, YubiKey } from '../core/directory.ts'
import { formatDevice, formatRecovery, formatTotp, formatYubiKey } from './user.ts'

/** Edits of a user's file as text, so that what an administrator wrote by hand stays as it is. */

export const addDevice = (text: string, device: Device): string =>
  append(text, formatDevice(device))

export const addYubiKey = (text: string, token: YubiKey): string =>
  append(text, formatYubiKey(token))

export const removeDevice = (text: string, label: string): Promise<string> =>
  removeTable(text, ['devices', label])

export const removeYubiKey = (text: string, label: string): Promise<string> =>
  removeTable(text, ['yubikeys', label])

function append(text: string, table: string): string {
  const separator = text === '' || text.endsWith('\n') ? '\n' : '\n\n'
  return `${text}${separator}${table}\n`
}

/** Takes out every line of that table; one written inside braces stays, which the caller notices. */
async function removeTable(text: string, table: readonly string[]): Promise<string> {
  const program = await parsePositions(text)
  const lines = text.split('\n')
  const doomed = new Set<number>()
  for (const node of program?.body[0].body ?? []) {
    for (const { loc } of nodesOf(node, table)) {
      for (let line = loc.start.line; line <= loc.end.line; line++) doomed.add(line - 1)
      // The empty line that set the table apart would otherwise stay behind.
      const before = loc.start.line - 2
      if (node.type === 'TOMLTable' && lines[before]?.trim() === '') doomed.add(before)
    }
  }
  return lines.filter((_, index) => !doomed.has(index)).join('\n')
}

/** Locks, or lifts that lock and leaves no trace of it where nothing was written beside it. */
export async function setLocked(text: string, locked: boolean): Promise<string> {
  if (locked) return setValue(text, ['locked'], 'true')
  const place = await findValue(text, ['locked'])
  if (!place) return text
  const line = lineAt(text, place)
  const bare = text.slice(line.start, line.end).trim() === 'locked = true'
  return bare ? splice(text, line.start, line.end + 1, '') : splice(text, ...place, 'false')
}

/** Gives the user another authenticator and other recovery codes, whatever they had. */
export async function setFactors(
  text: string,
  totp: TotpFactor,
  recovery: readonly RecoveryCode[],
): Promise<string> {
  const withCodes = await setValue(text, ['recovery'], formatRecovery(recovery))
  const secret = formatTotp(totp)
  if (await findValue(withCodes, ['totp', 'secret'])) {
    return setValue(withCodes, ['totp', 'secret'], secret)
  }
  return `${withCodes}${withCodes.endsWith('\n') ? '\n' : '\n\n'}[totp]\nsecret = ${secret}\n`
}

/** Puts another value in place of what stands there; what is not there yet is set at the top. */
async function setValue(text: string, path: readonly string[], value: string): Promise<string> {
  const place = await findValue(text, path)
  if (place) return splice(text, ...place, value)
  const entry = `${path.join('.')} = ${value}\n`
  const nodes = (await parsePositions(text))?.body[0].body ?? []
  const lastAtTop = nodes.filter(node => node.type === 'TOMLKeyValue').at(-1)
  if (lastAtTop) return insertLine(text, lineAt(text, lastAtTop.range).end, entry)
  const table = nodes[0]
  return table ? splice(text, table.range[0], table.range[0], `${entry}\n`) : `${text}${entry}`
}

type Place = readonly [start: number, end: number]

/** Where the value of that key stands, however its table is written. */
async function findValue(text: string, path: readonly string[]): Promise<Place | undefined> {
  const within = (
    node: AST.TOMLTable | AST.TOMLKeyValue,
    before: readonly string[],
  ): Place | undefined => {
    if (node.type === 'TOMLTable') {
      return firstOf(node.body, entry => within(entry, node.resolvedKey.map(String)))
    }
    const here = [...before, ...keysOf(node.key)]
    const { value } = node
    if (here.length === path.length && startsWith(here, path)) return value.range
    return value.type === 'TOMLInlineTable' && startsWith(path, here)
      ? firstOf(value.body, entry => within(entry, here))
      : undefined
  }
  const program = await parsePositions(text)
  return firstOf(program?.body[0].body ?? [], node => within(node, []))
}

function firstOf<T, R>(items: readonly T[], use: (item: T) => R | undefined): R | undefined {
  for (const item of items) {
    const found = use(item)
    if (found !== undefined) return found
  }
  return undefined
}

/** The line, or lines, around a place; `end` is where the newline stands or would. */
function lineAt(
  text: string,
  [start, end]: Place,
): { readonly start: number; readonly end: number } {
  const newline = text.indexOf('\n', end)
  return { start: text.lastIndexOf('\n', start - 1) + 1, end: newline < 0 ? text.length : newline }
}

const splice = (text: string, start: number, end: number, put: string): string =>
  text.slice(0, start) + put + text.slice(end)

/** Behind the line that ends there. */
const insertLine = (text: string, end: number, line: string): string =>
  end === text.length ? `${text}\n${line}` : splice(text, end + 1, end + 1, line)

/** The table goes as a whole, with those below it; of another table only the entries that are in it. */
function nodesOf(node: AST.TOMLTable | AST.TOMLKeyValue, table: readonly string[]): AST.TOMLNode[] {
  if (node.type === 'TOMLKeyValue') return startsWith(keysOf(node.key), table) ? [node] : []
  const { resolvedKey, body } = node
  if (startsWith(resolvedKey, table)) return [node]
  return body.filter(entry => startsWith([...resolvedKey, ...keysOf(entry.key)], table))
}

const startsWith = (path: readonly (string | number)[], prefix: readonly string[]): boolean =>
  prefix.every((step, index) => path[index] === step)
