import { createHash, hash as digestOf } from 'node:crypto'
import { fail, ok, type Result } from '@oneknock/shared'

/*
 * The format, version 1. A ledger file is UTF-8 text in lines, and a line is one JSON object:
 *
 *   line    = content tail LF
 *   content = {"seq":S,"at":T,"event":…the event's own fields…[,"commit":N]
 *   tail    = ,"hash":"H"}
 *
 *   S  whole number, 1 for the first line of a ledger and one more for each line, across files
 *   T  milliseconds since the Unix epoch
 *   N  on the last line of a group, how many lines the group has: the commit mark. A group is
 *      written and made durable as one, so a line counts only if a mark follows it or is on it
 *   H  SHA-256 over the hash of the line before, as its 64 hexadecimal digits, and then content,
 *      byte for byte; 64 lower-case hexadecimal digits. Before the first line stand 64 zeros
 *
 * The tail has a fixed length, so whoever checks a line takes off its last 75 bytes and needs no
 * JSON parser: `printf %s "$previous$content" | sha256sum`.
 *
 * The first line of each file is a checkpoint, and it names where the chain comes from:
 *
 *   {"seq":S,"at":T,"event":"checkpoint","format":1,"after":{"file":F,"bytes":B,"seq":S-1,
 *    "hash":"…"},"state":…
 *
 * The chain goes on from the first B bytes of file number F; whatever that file holds behind them
 * was never acknowledged and is void. `after` is null in the first file of a ledger.
 */

export const FORMAT = 1

/**
 * What may be recorded: any object that JSON can hold, with the name of what happened. The names of
 * the line's own fields are not free.
 */
export interface LedgerEvent {
  readonly event: string
  readonly seq?: never
  readonly at?: never
  readonly commit?: never
  readonly hash?: never
}

/** Where a chain stands. */
export interface Head {
  readonly seq: number
  /** 64 hexadecimal digits. */
  readonly hash: string
}

/** Before the first line. */
export const GENESIS: Head = { seq: 0, hash: '0'.repeat(64) }

/** Where in the files a chain stands. */
export interface Position extends Head {
  /** The file's number. */
  readonly file: number
  /** How much of the file counts. */
  readonly bytes: number
}

/** What is to become a line: the event is JSON already, as it was when it was handed over. */
export interface Draft {
  readonly at: number
  readonly json: string
}

export interface Line extends Head {
  readonly at: number
  readonly event: { readonly event: string; readonly [field: string]: unknown }
  /** On the last line of a group: how many lines the group has. */
  readonly commit: number | undefined
  /** On the first line of a file. */
  readonly opening?: Checkpoint
}

export interface Checkpoint {
  readonly after: Position | undefined
  readonly state: unknown
}

/** Why bytes are not the line that belongs there. */
export type WrongLine = 'form' | 'hash' | 'sequence' | 'commit' | 'checkpoint'

/**
 * The lines of one group, to be written in one piece; or what is left of it behind `before` others.
 */
export function encodeGroup(
  head: Head,
  drafts: readonly Draft[],
  before = 0,
): { bytes: Buffer; head: Head } {
  let { seq, hash } = head
  let text = ''
  const last = drafts.length - 1
  drafts.forEach(({ at, json }, index) => {
    seq++
    const mark = index === last ? `,"commit":${before + drafts.length}` : ''
    const content = `${lineStart(seq, at)}${json.slice(1, -1)}${mark}`
    hash = chain(hash, content)
    text += `${content}${lineTail(hash)}\n`
  })
  return { bytes: Buffer.from(text), head: { seq, hash } }
}

/** What a line takes at most. */
export const lineBytes = ({ json }: Draft): number => Buffer.byteLength(json) + ENVELOPE_BYTES

export const lineStart = (seq: number, at: number): string => `{"seq":${seq},"at":${at},`
export const lineTail = (hash: string): string => `${TAIL_START}${hash}${TAIL_END}`

/** A line without its newline, as the one that follows `head`. */
export function parseLine(bytes: Buffer, head: Head): Result<Line, WrongLine> {
  const split = splitLine(bytes)
  if (!split) return fail('form')
  const { content, hash } = split
  const fields = parseContent(content)
  if (chain(head.hash, content) !== hash) {
    const next = typeof fields?.seq === 'number' ? fields.seq : head.seq + 1
    return fail(next === head.seq + 1 ? 'hash' : 'sequence')
  }
  if (!fields) return fail('form')
  const { seq, at, commit, ...event } = fields
  if (seq !== head.seq + 1) return fail('sequence')
  if (typeof at !== 'number' || !isEvent(event)) return fail('form')
  if (commit !== undefined && typeof commit !== 'number') return fail('commit')
  return ok({ seq, at, event, commit, hash })
}

/** The first line of a file, which says itself what it follows. */
export function parseOpening(bytes: Buffer): Result<Line, WrongLine> {
  const split = splitLine(bytes)
  if (!split) return fail('form')
  const after = parsePosition(parseContent(split.content)?.after)
  if (after === 'wrong') return fail('form')
  const line = parseLine(bytes, after ?? GENESIS)
  if (!line.ok) return line
  const { event, format, state } = line.value.event
  if (event !== 'checkpoint' || format !== FORMAT) return fail('checkpoint')
  return ok({ ...line.value, opening: { after, state } })
}

const TAIL_START = ',"hash":"'
const TAIL_END = '"}'
/** How much longer a line can be than its event: numbers of 16 digits, field names, hash. */
const ENVELOPE_BYTES = 160
const HASH = /^[0-9a-f]{64}$/
const TAIL_BYTES = TAIL_START.length + 64 + TAIL_END.length

/** What is text is hashed in one call: a `Hash` object takes as long to make as the hash itself. */
const chain = (previous: string, content: string | Buffer): string =>
  typeof content === 'string'
    ? digestOf('sha256', previous + content, 'hex')
    : createHash('sha256').update(previous).update(content).digest('hex')

function splitLine(bytes: Buffer): { content: Buffer; hash: string } | undefined {
  const at = bytes.length - TAIL_BYTES
  if (at <= 0) return undefined
  const tail = bytes.toString('latin1', at)
  if (!tail.startsWith(TAIL_START) || !tail.endsWith(TAIL_END)) return undefined
  const hash = tail.slice(TAIL_START.length, -TAIL_END.length)
  return HASH.test(hash) ? { content: bytes.subarray(0, at), hash } : undefined
}

function parseContent(content: Buffer): Record<string, unknown> | undefined {
  try {
    return JSON.parse(`${content.toString()}}`)
  } catch {
    return undefined
  }
}

const isEvent = (fields: Record<string, unknown>): fields is Line['event'] =>
  typeof fields.event === 'string'

function parsePosition(value: unknown): Position | undefined | 'wrong' {
  if (value === null) return undefined
  if (typeof value !== 'object') return 'wrong'
  const { file, bytes, seq, hash } = value as Record<string, unknown>
  const whole = [file, bytes, seq].every(Number.isSafeInteger)
  if (!whole || typeof hash !== 'string' || !HASH.test(hash)) return 'wrong'
  return { file, bytes, seq, hash } as Position
}
