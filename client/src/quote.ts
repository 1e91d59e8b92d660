/** More of a mistyped argument helps nobody. */
const SHOWN_MAX = 60

/** Text from outside for one line of a terminal: quoted, cut, and with nothing that a terminal obeys. */
export function quote(text: string): string {
  const shown = text.length > SHOWN_MAX ? `${text.slice(0, SHOWN_MAX)}…` : text
  return JSON.stringify(shown).replaceAll(
    /[\x7f-\x9f\u2028-\u202f\u2066-\u2069]/g,
    char => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )
}
