import { writeSync } from 'node:fs'
import { toHex } from '@oneknock/shared'
import { type DestinationStream, type Logger, pino } from 'pino'

export type Log = Logger

/** JSON lines for machines; one readable line each for a person at a terminal. */
export function createLog(terminal: boolean, colour: boolean): Log {
  const options = { base: null, timestamp: isoTime() }
  return pino(options, terminal ? readable(colour) : JSON_LINES)
}

/** As pino's own, but made once for all lines of a millisecond. */
function isoTime(): () => string {
  let at = Number.NaN
  let text = ''
  return () => {
    const now = Date.now()
    if (now !== at) text = `,"time":"${new Date(now).toISOString()}"`
    at = now
    return text
  }
}

/**
 * A disk without room or a reader that is too slow, or has gone, costs lines of the log and nothing
 * else: what must not be lost is in the ledger.
 */
const JSON_LINES: DestinationStream = {
  write(line) {
    if (held === undefined) writeOut(line)
    else held += line
  },
}
const STDOUT = 1

/** Lines that are to leave together. */
let held: string | undefined

/** What is logged meanwhile leaves in one write: that costs more than most lines. */
export function inOneWrite(work: () => void): void {
  held = ''
  try {
    work()
  } finally {
    const lines = held
    held = undefined
    writeOut(lines)
  }
}

const NEWLINE = 0x0a
const NOTHING = Buffer.alloc(0)
/** The rest of a line that was begun: whoever reads must not find the next one glued to it. */
let begun = NOTHING

function writeOut(lines: string): void {
  const bytes = Buffer.concat([begun, Buffer.from(lines)])
  let sent = 0
  try {
    while (sent < bytes.length) sent += writeSync(STDOUT, bytes.subarray(sent))
    begun = NOTHING
  } catch {
    const isInside = sent === 0 ? begun.length > 0 : bytes[sent - 1] !== NEWLINE
    begun = isInside ? bytes.subarray(sent, bytes.indexOf(NEWLINE, sent) + 1) : NOTHING
  }
}

const LEVELS: Readonly<Record<number, readonly [name: string, colour: number]>> = {
  30: ['', 0],
  40: ['warning: ', 33],
  50: ['error: ', 31],
  60: ['fatal: ', 31],
}

function readable(colour: boolean): DestinationStream {
  return {
    write(line) {
      const { level, time, msg, ...rest } = JSON.parse(line)
      const [name, code] = LEVELS[level] ?? ['', 0]
      const fields = Object.entries(rest).map(([key, value]) => ` ${key}=${show(value)}`)
      const text = printable(`${name}${msg}${fields.join('')}`)
      const painted = colour && code ? `\x1b[${code}m${text}\x1b[0m` : text
      process.stdout.write(`${String(time).slice(11, 19)} ${painted}\n`)
    },
  }
}

/** What commands and other machines say may hold anything; a terminal would obey it. */
const printable = (text: string): string =>
  text.replace(/[\x00-\x1f\x7f-\x9f]/g, char => `\\x${toHex(Uint8Array.of(char.charCodeAt(0)))}`)

const show = (value: unknown): string =>
  typeof value === 'string' && !value.includes(' ') ? value : JSON.stringify(value)
