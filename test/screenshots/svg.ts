/** Draws what a terminal showed, as text and rectangles. */

interface Style {
  readonly colour: string
  readonly isBold: boolean
  readonly isFaint: boolean
  readonly isInverse: boolean
}

interface Run {
  readonly column: number
  readonly text: string
  readonly style: Style
}

/** A cell, in pixels; letters of 14 px fit it in every monospaced font. */
const CELL = { width: 8.4, height: 18 }
const FONT = 14
const MARGIN = 16
const BAR = 32
const PAPER = '#16181d'
const INK = '#d8dee9'
const FRAME = '#2a2e37'
/** How long each picture stands, seconds. */
const STAND = 3

/** The first eight of a terminal's sixteen colours, the brighter ones after them. */
const COLOURS = [
  ...['#4c566a', '#e06c75', '#8fce72', '#e5c07b', '#61afef', '#c678dd', '#56c8d8', INK],
  ...['#6b7489', '#f08c95', '#a8e08c', '#f0d59a', '#86c5f7', '#d89ee8', '#7fdbe8', '#ffffff'],
]
const PLAIN: Style = { colour: INK, isBold: false, isFaint: false, isInverse: false }

/**
 * One picture for each screen, one after the other; where nothing moves, the last of them. A screen is
 * what `tmux capture-pane -e` prints.
 */
export function svgOf(
  screens: readonly string[],
  { columns, rows }: { readonly columns: number; readonly rows: number },
): string {
  const width = Math.ceil(columns * CELL.width + 2 * MARGIN)
  const height = BAR + rows * CELL.height + MARGIN
  const dots = ['#e06c75', '#e5c07b', '#8fce72'].map(
    (colour, i) => `<circle cx="${MARGIN + 6 + i * 18}" cy="16" r="5" fill="${colour}"/>`,
  )
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="oneknock in a terminal">
<style>
text { font: ${FONT}px ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; white-space: pre }
${motion(screens.length)}
</style>
<rect width="${width}" height="${height}" rx="8" fill="${PAPER}" stroke="${FRAME}"/>
${dots.join('')}
${screens.map((screen, i) => `<g class="screen s${i}" transform="translate(${MARGIN} ${BAR})">\n${drawn(screen)}</g>`).join('\n')}
</svg>
`
}

/** Each stands for its part of the whole time; whoever asks for less motion sees the last. */
function motion(count: number): string {
  const part = 100 / count
  const shown = `0%, ${part}% { visibility: visible } ${part + 0.01}%, 100% { visibility: hidden }`
  const each = Array.from(
    { length: count },
    (_, i) => `.s${i} { animation: stand ${count * STAND}s step-end ${i * STAND}s infinite }`,
  )
  return `.screen { visibility: hidden } .s${count - 1} { visibility: visible }
@media (prefers-reduced-motion: no-preference) {
@keyframes stand { ${shown} }
.screen { visibility: hidden }
${each.join('\n')}
}`
}

const drawn = (screen: string): string =>
  linesOf(screen.trimEnd())
    .map((runs, row) => runs.map(run => drawnRun(run, row)).join(''))
    .filter(line => line !== '')
    .map(line => `${line}\n`)
    .join('')

function drawnRun({ column, text, style }: Run, row: number): string {
  const { isBold, isFaint, isInverse } = style
  const colour = isInverse ? PAPER : style.colour
  const x = round(column * CELL.width)
  const y = row * CELL.height
  const width = round([...text].length * CELL.width)
  const opacity = isFaint ? ' opacity="0.6"' : ''
  const box = `<rect x="${x}" y="${y}" width="${width}" height="${CELL.height}"`
  const ground = isInverse ? `${box} fill="${style.colour}"/>` : ''
  // Blocks are drawn, since fonts leave seams between them.
  if (/^[█░]+$/.test(text)) {
    const shade = text.startsWith('░') ? ' opacity="0.25"' : opacity
    return `${ground}${box} fill="${colour}"${shade}/>`
  }
  if (text.trim() === '') return ground
  const weight = isBold ? ' font-weight="bold"' : ''
  const baseline = y + 13
  return `${ground}<text x="${x}" y="${baseline}" textLength="${width}" fill="${colour}"${weight}${opacity}>${escaped(text)}</text>`
}

/** Colours and the like, or text: blocks and blanks apart from words, which then begin in their column. */
const TOKENS = /\x1b\[(?<codes>[\d;]*)m|(?<text>█+|░+| {2,}|[^\x1b█░ ]+(?: [^\x1b█░ ]+)*| )/gu

/** The stretches of one look, line by line. A look lasts beyond the end of a line. */
export function linesOf(screen: string): Run[][] {
  let style = PLAIN
  return screen.split('\n').map(line => {
    const runs: Run[] = []
    let column = 0
    for (const { groups } of line.matchAll(TOKENS)) {
      const { codes, text = '' } = groups!
      if (codes === undefined) {
        runs.push({ column, text, style })
        column += [...text].length
      } else style = codes.split(';').map(Number).reduce(styled, style)
    }
    return runs
  })
}

function styled(style: Style, code: number): Style {
  if (code === 0) return PLAIN
  if (code === 1) return { ...style, isBold: true }
  if (code === 2) return { ...style, isFaint: true }
  if (code === 7 || code === 27) return { ...style, isInverse: code === 7 }
  if (code === 22) return { ...style, isBold: false, isFaint: false }
  if (code === 39) return { ...style, colour: INK }
  if (code >= 30 && code <= 37) return { ...style, colour: COLOURS[code - 30]! }
  if (code >= 90 && code <= 97) return { ...style, colour: COLOURS[code - 82]! }
  return style
}

const round = (value: number): number => Math.round(value * 10) / 10

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
