import { encodeQR } from 'qr'
import { colourAllowed } from './output.ts'

/** ISO/IEC 18004 section 9.1: four modules of quiet around the symbol. */
const QUIET = 4

/**
 * A QR code of half blocks, two modules a character. Its colours are explicit: printed in the
 * terminal's own, it is inverted on one kind of terminal, and scanners give up.
 */
export function renderQr(text: string, colour: boolean): string {
  const modules = encodeQR(text, 'raw', { ecc: 'low', border: QUIET })
  const rows: string[] = []
  for (let y = 0; y < modules.length; y += 2) {
    const lower = modules[y + 1]
    const cells = modules[y]!.map((upper, x): Cell => [upper, lower?.[x] ?? false])
    rows.push(colour ? paint(cells) : cells.map(plain).join(''))
  }
  return `${rows.join('\n')}\n`
}

/** An invitation's code never fits on 80×24, so it comes only when asked for. */
export const withQr = (invitation: string): string =>
  `${invitation}\n\n${renderQr(invitation, colourAllowed())}`

/** Whether the upper and the lower module are black. */
type Cell = readonly [upper: boolean, lower: boolean]

/** Of the 256 colours these two are fixed; the first sixteen are whatever the terminal's theme says. */
const BLACK = 16
const WHITE = 231

function paint(cells: readonly Cell[]): string {
  const colourOf = (black: boolean): number => (black ? BLACK : WHITE)
  let row = ''
  let painted = ''
  for (const [upper, lower] of cells) {
    const colours = `\x1b[38;5;${colourOf(upper)};48;5;${colourOf(lower)}m`
    row += colours === painted ? '▀' : `${colours}▀`
    painted = colours
  }
  return `${row}\x1b[0m`
}

/** Without colours, as most terminals are: light on dark. */
const plain = ([upper, lower]: Cell): string => {
  if (upper) return lower ? ' ' : '▄'
  return lower ? '▀' : '█'
}

/** Parameters that every app takes to be these if they are missing (the Key URI format). */
const IMPLIED = new Set(['algorithm=SHA1', 'digits=6', 'period=30'])

/** Without what is implied, a code for most names fits on 80×24. */
export function shortenOtpauth(uri: string): string {
  const [base = '', query = ''] = uri.split('?', 2)
  const said = query.split('&').filter(parameter => !IMPLIED.has(parameter))
  return `${base}?${said.join('&')}`
}
