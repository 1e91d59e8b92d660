import { createHash } from 'node:crypto'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { FORMAT, GENESIS, type Head, lineStart, lineTail, type Position } from './lines.ts'
import { piecesOf } from './pieces.ts'

/** What of the state is put in words in one turn of the loop: a millisecond's work or less. */
const SLICE_CHARS = 16 * 1024
/** Bytes in a chunk: few enough writes for a disk, no more than the lines of a busy second. */
const CHUNK_BYTES = 1024 * 1024

/** The first line of a file. */
export interface Opening {
  readonly bytes: number
  readonly head: Head
  /** Its last bytes, which are not written yet: the group that it begins goes on behind them. */
  readonly rest: Buffer
}

/**
 * Writes the checkpoint with which a file opens, behind the chain as it stands. `alone`: no other line
 * is of its group, so the mark is on it. Many turns of the loop may come and go meanwhile; the state is
 * to stay what it was. It never is one text as a whole: such a text, and the copies made on its way,
 * would be most of the memory that the daemon ever takes.
 */
export async function writeOpening(
  after: Position | undefined,
  at: number,
  state: unknown,
  alone: boolean,
  write: (chunk: Buffer) => Promise<void>,
): Promise<Opening> {
  const { seq, hash } = after ?? GENESIS
  const sum = createHash('sha256').update(hash)
  let held: Buffer[] = []
  let heldBytes = 0
  let bytes = 0
  const hold = (slice: Buffer) => {
    held.push(slice)
    heldBytes += slice.length
    bytes += slice.length
  }
  for (const text of slicesOf(openingContent(after, at, state, alone))) {
    const slice = Buffer.from(text)
    sum.update(slice)
    hold(slice)
    await turnOfTheLoop()
    if (heldBytes < CHUNK_BYTES) continue
    await write(Buffer.concat(held))
    held = []
    heldBytes = 0
  }
  const head = { seq: seq + 1, hash: sum.digest('hex') }
  hold(Buffer.from(`${lineTail(head.hash)}\n`))
  return { bytes, head, rest: Buffer.concat(held) }
}

function* openingContent(
  after: Position | undefined,
  at: number,
  state: unknown,
  alone: boolean,
): Generator<string> {
  const start = lineStart((after ?? GENESIS).seq + 1, at)
  const place = JSON.stringify(after ?? null)
  yield `${start}"event":"checkpoint","format":${FORMAT},"after":${place},"state":`
  yield* piecesOf(state)
  if (alone) yield ',"commit":1'
}

function* slicesOf(pieces: Iterable<string>): Generator<string> {
  let slice = ''
  for (const piece of pieces) {
    slice += piece
    if (slice.length < SLICE_CHARS) continue
    yield slice
    slice = ''
  }
  yield slice
}
