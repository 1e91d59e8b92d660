import type { Key } from 'ink'
import type { Happening } from './session.ts'

/** What a terminal in bracketed paste mode puts around a paste, without its escape. */
const PASTE_BEGINS = '[200~'
const PASTE_ENDS = '[201~'
/** What is left of other keys' sequences. */
const SEQUENCE = /^[[O][0-9;?<=>]*[~A-Za-z]$/
const CONTROLS = /[\x00-\x1f\x7f-\x9f]/g

/** As some terminals send them in one piece with letters: people type fast, and others paste. */
const CONTROL_KEYS: Readonly<Record<string, string>> = {
  '\r': 'enter',
  '\n': 'enter',
  '\t': 'tab',
  '\b': 'backspace',
  '\x7f': 'backspace',
  '\x03': '^c',
  '\x15': '^u',
}

type Read = (input: string, key: Key) => Happening | undefined

/**
 * Makes keys, and pastes, of what the terminal sends. Nothing in a paste is a key: a line break that
 * was copied along sends nothing off.
 */
export function inputReader(): Read {
  let pasted: string | undefined
  return (input, key) => {
    if (input === PASTE_BEGINS) {
      pasted = ''
    } else if (pasted === undefined) {
      const keys = keysOf(input, key)
      return keys.length > 0 ? { type: 'pressed', keys } : undefined
    } else if (input === PASTE_ENDS) {
      const text = pasted
      pasted = undefined
      return { type: 'pasted', text }
    } else if (!key.ctrl) {
      pasted += input.replaceAll(CONTROLS, '')
    }
    return undefined
  }
}

function keysOf(input: string, key: Key): readonly string[] {
  if (key.return) return ['enter']
  if (key.escape) return ['escape']
  if (key.tab) return ['tab']
  if (key.backspace || key.delete) return ['backspace']
  if (key.upArrow) return ['up']
  if (key.downArrow) return ['down']
  if (key.pageUp) return ['pageup']
  if (key.pageDown) return ['pagedown']
  // Alt with a letter, and keys that nothing is bound to.
  if (key.meta || SEQUENCE.test(input)) return []
  if (key.ctrl) return input.length === 1 ? [`^${input}`] : []
  return [...input].flatMap(char => CONTROL_KEYS[char] ?? (char < ' ' ? [] : char))
}
