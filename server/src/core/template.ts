/** What a command's arguments can have filled in; with ONEKNOCK_ before them, its environment's names too. */
export const BLANKS = [
  'event',
  'service',
  'address',
  'prefix',
  'network',
  'family',
  'until',
  'lifetime',
  'user',
] as const
export type Blank = (typeof BLANKS)[number]

/** `{address}`; not `${address}`, which is a shell's, nor `{ print }`, which is awk's. */
const PLACE = /(?<!\$)\{([a-z_]+)\}/g

/** The names in braces that an argument holds, known or not. */
export const blanksOf = (text: string): string[] =>
  [...text.matchAll(PLACE)].map(([, name]) => name!)

/** Every argument stays one, whatever is filled in; what is not given is left as it stands. */
export const fillIn = (
  argv: readonly string[],
  values: Readonly<Partial<Record<Blank, string>>>,
): string[] =>
  argv.map(text => text.replace(PLACE, (whole, name) => values[name as Blank] ?? whole))
