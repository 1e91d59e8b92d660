import { spawnSync } from 'node:child_process'
import { decodeQR } from 'qr/decode.js'

/** Pixels of a terminal that shows half blocks, two to a character. */
export interface Picture {
  readonly width: number
  readonly rows: readonly (readonly boolean[])[]
}

/**
 * What a terminal would show of these characters: its own colours are `dark` ones unless told
 * otherwise, and one that is not black counts as white.
 */
export function picture(text: string): Picture {
  const rows: boolean[][] = []
  for (const line of text.trimEnd().split('\n')) {
    const upper: boolean[] = []
    const lower: boolean[] = []
    let ink = false
    let paper = true
    for (const [, colours, block] of line.matchAll(/\x1b\[([\d;]*)m|(.)/g)) {
      if (block === undefined) {
        const [, fore, back] = /^38;5;(\d+);48;5;(\d+)$/.exec(colours!) ?? []
        ink = fore === '16'
        paper = back === undefined || back === '16'
      } else {
        upper.push(block === '█' || block === '▀' ? ink : paper)
        lower.push(block === '█' || block === '▄' ? ink : paper)
      }
    }
    rows.push(upper, lower)
  }
  return { width: rows[0]?.length ?? 0, rows }
}

const SCALE = 4

/** One byte a pixel, 0 black and 255 white, each module `SCALE` pixels wide and high. */
function enlarge({ rows }: Picture): Uint8Array {
  return Uint8Array.from(
    rows.flatMap(row => {
      const line = row.flatMap(black => Array<number>(SCALE).fill(black ? 0 : 255))
      return Array<number[]>(SCALE).fill(line).flat()
    }),
  )
}

/** What a scanner reads there. */
export function scan(shown: Picture): string {
  const size = { width: shown.width * SCALE, height: shown.rows.length * SCALE }
  const data = Uint8Array.from([...enlarge(shown)].flatMap(grey => [grey, grey, grey, 255]))
  return decodeQR({ ...size, data })
}

/** The same by another program, which shares no code with the one that drew it. */
export function zbarScan(shown: Picture): string {
  const header = `P5 ${shown.width * SCALE} ${shown.rows.length * SCALE} 255\n`
  const input = Buffer.concat([Buffer.from(header), enlarge(shown)])
  return spawnSync('zbarimg', ['-q', '--raw', 'pnm:-'], { input, encoding: 'utf8' }).stdout.trim()
}

export const hasZbar = spawnSync('zbarimg', ['--version']).status === 0
