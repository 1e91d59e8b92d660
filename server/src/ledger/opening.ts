import { createHash } from 'node:crypto'
import { FORMAT, GENESIS, type Head, lineStart, lineTail, type Position } from './lines.ts'
import { Pieces, piecesOf } from './pieces.ts'

/** The first line of a file, as it is written. */
export interface Opening {
  /** One after the other: the state of a busy daemon is many times what else a group holds. */
  readonly chunks: readonly Buffer[]
  readonly bytes: number
  readonly head: Head
}

/**
 * The checkpoint with which a file opens, behind the chain as it stands. `alone`: no other line is of
 * its group, so the mark is on it. The state is read once, now, and never is one text as a whole: such
 * a text, and the copies made on its way, would be most of the memory that the daemon ever takes.
 */
export function encodeOpening(
  after: Position | undefined,
  at: number,
  state: unknown,
  alone: boolean,
): Opening {
  const { seq, hash } = after ?? GENESIS
  const pieces = new Pieces()
  const place = JSON.stringify(after ?? null)
  pieces.add(
    `${lineStart(seq + 1, at)}"event":"checkpoint","format":${FORMAT},"after":${place},"state":`,
  )
  for (const piece of piecesOf(state)) pieces.add(piece)
  if (alone) pieces.add(',"commit":1')
  const sum = createHash('sha256').update(hash)
  for (const chunk of pieces.chunks()) sum.update(chunk)
  const head = { seq: seq + 1, hash: sum.digest('hex') }
  pieces.add(`${lineTail(head.hash)}\n`)
  return { chunks: pieces.chunks(), bytes: pieces.bytes, head }
}
