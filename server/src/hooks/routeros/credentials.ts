/** What no font confuses: neither 0 and O nor 1, l and I. */
const LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789'
const LOWER = 'abcdefghijkmnopqrstuvwxyz23456789'

/** Five groups of four: 116 bits, and what a person can still type. */
const GROUPS = 5
const GROUP = 4
/** 50 bits: no two logins ever meet, and no name is to be guessed. */
const NAME_LETTERS = 10

export type Random = (bytes: number) => Uint8Array

/** RouterOS wants a letter or digit first. */
export const randomName = (random: Random): string => `ok-${letters(LOWER, NAME_LETTERS, random)}`

/** With every kind of character that a router may ask for: upper case, lower case, digit, symbol. */
export function randomPassword(random: Random): string {
  for (;;) {
    const groups = Array.from({ length: GROUPS }, () => letters(LETTERS, GROUP, random))
    const password = groups.join('-')
    if ([/[A-Z]/, /[a-z]/, /\d/].every(kind => kind.test(password))) return password
  }
}

/** Bytes beyond the last whole multiple are thrown away, so that every letter is as likely. */
function letters(alphabet: string, count: number, random: Random): string {
  const most = 256 - (256 % alphabet.length)
  let text = ''
  while (text.length < count) {
    const [byte = 255] = random(1)
    if (byte < most) text += alphabet[byte % alphabet.length]
  }
  return text
}
