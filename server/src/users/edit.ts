import type { AST } from 'toml-eslint-parser'
import { keysOf, parsePositions } from '../config/toml.ts'
import type { Device } from '../core/directory.ts'
import { formatDevice } from './user.ts'

/** Edits of a user's file as text, so that what an administrator wrote by hand stays as it is. */

export function addDevice(text: string, device: Device): string {
  const separator = text === '' || text.endsWith('\n') ? '\n' : '\n\n'
  return `${text}${separator}${formatDevice(device)}\n`
}

/** Takes out every line of that device; one written inside braces stays, which the caller notices. */
export async function removeDevice(text: string, label: string): Promise<string> {
  const program = await parsePositions(text)
  const lines = text.split('\n')
  const doomed = new Set<number>()
  for (const node of program?.body[0].body ?? []) {
    for (const { loc } of nodesOfDevice(node, ['devices', label])) {
      for (let line = loc.start.line; line <= loc.end.line; line++) doomed.add(line - 1)
      // The empty line that set the table apart would otherwise stay behind.
      const before = loc.start.line - 2
      if (node.type === 'TOMLTable' && lines[before]?.trim() === '') doomed.add(before)
    }
  }
  return lines.filter((_, index) => !doomed.has(index)).join('\n')
}

/** A table of the device goes as a whole; of another table only the entries that are the device's. */
function nodesOfDevice(
  node: AST.TOMLTable | AST.TOMLKeyValue,
  device: readonly string[],
): AST.TOMLNode[] {
  if (node.type === 'TOMLKeyValue') return startsWith(keysOf(node.key), device) ? [node] : []
  const { resolvedKey, body } = node
  if (startsWith(resolvedKey, device)) return [node]
  return body.filter(entry => startsWith([...resolvedKey, ...keysOf(entry.key)], device))
}

const startsWith = (path: readonly (string | number)[], prefix: readonly string[]): boolean =>
  prefix.every((step, index) => path[index] === step)
