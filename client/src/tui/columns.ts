import { stripVTControlCharacters } from 'node:util'

/**
 * How many columns of a terminal a text takes. Stands in the bundle for the package `string-width`,
 * which knows every script and emoji, and takes a tenth of a second to learn them at each start. What
 * this program draws is ASCII, a few signs of one column, and words of the system.
 */
export default function columnsOf(text: string): number {
  if (/^[ -~]*$/.test(text)) return text.length
  let columns = 0
  for (const char of stripVTControlCharacters(text)) {
    if (!NONE.test(char)) columns += TWO.test(char) ? 2 : 1
  }
  return columns
}

const NONE = /[\0-\x1f\x7f-\x9f\u200b-\u200f]|[\u0300-\u036f]|[\ufe00-\ufe0f]/
/** East Asian scripts and emoji, in blocks. */
const TWO =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/u
