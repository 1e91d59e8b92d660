/** A knock as people and ssh's `Match exec` ask for it, day in, day out. */
export interface PlainKnock {
  readonly target: string
  readonly services: readonly string[]
  readonly flags: { readonly ifNeeded?: true }
}

const IF_NEEDED = '--if-needed'

/**
 * Reads `knock TARGET [SERVICE...] [--if-needed]`, as the definitions would: without all of them, and
 * what reads them, such a knock starts by some 15 ms sooner. `undefined`: anything else.
 */
export function readPlainKnock([command, ...words]: readonly string[]): PlainKnock | undefined {
  if (command !== 'knock') return undefined
  const [target, ...services] = words.filter(word => word !== IF_NEEDED)
  if (target === undefined || [target, ...services].some(isOption)) return undefined
  return { target, services, flags: words.includes(IF_NEEDED) ? { ifNeeded: true } : {} }
}

const isOption = (word: string): boolean => word.startsWith('-')
