import { GENESIS, type Line, parseLine, parseOpening, type WrongLine } from './lines.ts'

/** Lines that were made durable as one. */
export interface Group {
  readonly lines: readonly Line[]
  /** Where in the file the group ends. */
  readonly end: number
}

/** What is found behind the last good group. Lines count from 1, as editors do. */
export type Ending =
  | { readonly kind: 'whole' }
  | { readonly kind: 'torn'; readonly line: number; readonly bytes: number }
  | { readonly kind: 'damaged'; readonly line: number; readonly wrong: WrongLine }

/**
 * The groups of one file, as far as they are provably what was written, and then what stopped it.
 * A crash leaves the beginning of a group, which nobody was told of: that is torn. Anything else is
 * damage to what may have been acknowledged.
 */
export function* scanFile(bytes: Buffer): Generator<Group, Ending> {
  let head = GENESIS
  let lines: Line[] = []
  let number = 0
  let offset = 0
  let good = { end: 0, line: 0 }
  const parse = (end: number) =>
    number === 1
      ? parseOpening(bytes.subarray(offset, end))
      : parseLine(bytes.subarray(offset, end), head)

  for (;;) {
    number++
    const newline = bytes.indexOf(NEWLINE, offset)
    if (newline < 0) break
    const parsed = parse(newline)
    if (!parsed.ok) return judge(bytes, good, number, parsed.error)
    const line = parsed.value
    lines.push(line)
    if (line.commit !== undefined && line.commit !== lines.length) {
      return judge(bytes, good, number, 'commit')
    }
    head = line
    offset = newline + 1
    if (line.commit === undefined) continue
    yield { lines, end: offset }
    good = { end: offset, line: number }
    lines = []
  }
  // Behind a whole line a group that was cut short goes on with a newline, or a block that was lost.
  for (const { index, 0: tail } of bytes.toString('latin1', offset).matchAll(TAIL_GOES_ON)) {
    const end = offset + index + tail.length
    if (parse(end).ok) return { kind: 'damaged', line: number, wrong: 'form' }
  }
  if (good.end > 0 && good.end === bytes.length) return { kind: 'whole' }
  return { kind: 'torn', line: good.line + 1, bytes: bytes.length - good.end }
}

const NEWLINE = 0x0a
const TAIL_GOES_ON = /,"hash":"[0-9a-f]{64}"}(?=[^\0])/g

/**
 * A power cut can keep the end of a group and lose blocks from its middle, which then read as
 * zeros. The smallest block of a disk; no line holds a zero byte.
 */
const LOST_BLOCK = Buffer.alloc(512)
const MARK_BEFORE_THE_END = /,"commit":\d+,"hash":"[0-9a-f]{64}"}\n(?=.)/s

function judge(
  bytes: Buffer,
  good: { end: number; line: number },
  line: number,
  wrong: WrongLine,
): Ending {
  const rest = bytes.subarray(good.end)
  // The group behind a mark is begun once the mark is durable: a mark with more behind it means
  // that the group with the hole in it was acknowledged.
  const torn = rest.includes(LOST_BLOCK) && !MARK_BEFORE_THE_END.test(rest.toString('latin1'))
  if (!torn) return { kind: 'damaged', line, wrong }
  return { kind: 'torn', line: good.line + 1, bytes: rest.length }
}
