import type { TextProps } from 'ink'

type Style = Pick<TextProps, 'color' | 'bold' | 'dimColor' | 'inverse'>

/** How things look. Nothing is told by colour alone: there is always a word or a sign beside it. */
export interface Theme {
  readonly title: Style
  readonly chosen: Style
  readonly faint: Style
  readonly good: Style
  readonly bad: Style
  readonly key: Style
  readonly signs: Signs
  /** How a line is cut: Ink puts an ellipsis at its end, or breaks it. */
  readonly cut: 'truncate' | 'wrap'
}

export interface Signs {
  readonly pointer: string
  readonly open: string
  readonly failed: string
  readonly typed: string
  readonly empty: string
  readonly full: string
  readonly rest: string
  readonly rule: string
  readonly into: string
  readonly enter: string
  readonly spinner: 'dots' | 'line'
}

const FINE: Signs = {
  pointer: '❯',
  open: '●',
  failed: '✗',
  typed: '●',
  empty: '·',
  full: '█',
  rest: '░',
  rule: '─',
  into: '›',
  enter: '↵',
  spinner: 'dots',
}

const PLAIN: Signs = {
  pointer: '>',
  open: '*',
  failed: 'x',
  typed: '*',
  empty: '_',
  full: '#',
  rest: '-',
  rule: '-',
  into: '>',
  enter: 'enter',
  spinner: 'line',
}

/** The terminal's own sixteen colours: they fit its background, whatever that is. */
export function themeFor(env: NodeJS.ProcessEnv): Theme {
  const coloured = !env.NO_COLOR
  const in_ = (color: string): Style => (coloured ? { color } : {})
  return {
    title: { ...in_('cyan'), bold: true },
    chosen: { ...in_('cyan'), bold: true },
    faint: { dimColor: true },
    good: { ...in_('green'), bold: true },
    bad: { ...in_('red'), bold: true },
    key: { bold: true },
    ...(isFine(env) ? { signs: FINE, cut: 'truncate' } : { signs: PLAIN, cut: 'wrap' }),
  }
}

/** The Linux console has few signs, and a locale that is named and not UTF-8 has none of these. */
function isFine({ TERM, LC_ALL, LC_CTYPE, LANG }: NodeJS.ProcessEnv): boolean {
  const locale = LC_ALL || LC_CTYPE || LANG || 'UTF-8'
  return TERM !== 'linux' && /utf-?8/i.test(locale)
}
