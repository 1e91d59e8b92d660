/** As wide as a README's column. */
export const WIDTH = 720
/** Told apart by people who see colours differently, on white. */
export const COLOURS = ['#0b6e4f', '#c8553d', '#28587b', '#b58900', '#7b4b94', '#555555'] as const

export const colour = (index: number): string => COLOURS[index % COLOURS.length]!

/** A picture with a title; `content` is drawn below it, from `TOP` on. */
export const TOP = 44

export function picture(title: string, height: number, content: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="13" role="img" aria-label="${escaped(title)}">`,
    `<rect width="${WIDTH}" height="${height}" fill="#ffffff"/>`,
    text(16, 26, title, 'font-size="16" font-weight="bold"'),
    ...content,
    '</svg>',
    '',
  ].join('\n')
}

export const text = (x: number, y: number, said: string, attributes = ''): string =>
  `<text x="${short(x)}" y="${short(y)}" fill="#222222" ${attributes}>${escaped(said)}</text>`

export const line = (x1: number, y1: number, x2: number, y2: number, stroke = '#dddddd'): string =>
  `<line x1="${short(x1)}" y1="${short(y1)}" x2="${short(x2)}" y2="${short(y2)}" stroke="${stroke}"/>`

/** A tenth of a pixel is finer than any screen. */
export const short = (value: number): string => String(Math.round(value * 10) / 10)

const escaped = (said: string): string =>
  said.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')
