import { fail, ok, type Result } from '@oneknock/shared'
import type { LedgerFiles } from './files.ts'
import { filePath, numberedFiles } from './folder.ts'
import type { LedgerEntry } from './ledger.ts'
import { GENESIS, type Head, type Line, type Position } from './lines.ts'
import { damage, type LedgerDamage, type LedgerError, unreadable } from './notes.ts'
import { type Ending, type Group, scanFile } from './scan.ts'
import { newestOpened } from './tip.ts'

export interface Verified {
  readonly head: Head
  readonly files: number
  readonly lines: number
}

/** Walks all files that are there, oldest first: the first bad line, or where the chain stands. */
export async function verifyLedger(
  folder: string,
  files: LedgerFiles,
): Promise<Result<Verified, LedgerError>> {
  let verified: Verified = { head: GENESIS, files: 0, lines: 0 }
  for await (const group of chainedGroups(folder, files, () => false)) {
    if (!group.ok) return group
    const { lines } = group.value
    const { seq, hash } = lines.at(-1)!
    verified = {
      head: { seq, hash },
      files: verified.files + (lines[0]!.opening ? 1 : 0),
      lines: verified.lines + lines.length,
    }
  }
  return ok(verified)
}

export interface Which {
  /** From this line on. */
  readonly fromSeq?: number
  /**
   * From this time on, in milliseconds since the Unix epoch. Files older than that are not read, so
   * what a clock wrote before it was set back may be left out.
   */
  readonly since?: number
}

/** What was recorded, oldest first; what cannot be trusted ends it. */
export async function* readEntries<E>(
  folder: string,
  files: LedgerFiles,
  { fromSeq = 0, since = 0 }: Which = {},
): AsyncGenerator<Result<LedgerEntry<E>, LedgerError>> {
  const reachesBack = (opening: Line) => opening.seq <= fromSeq || opening.at < since
  for await (const group of chainedGroups(folder, files, reachesBack)) {
    if (!group.ok) return yield group
    for (const { seq, at, event, opening } of group.value.lines) {
      // The chain has shown that this is what was written: the cast trusts our own past selves.
      if (!opening && seq >= fromSeq && at >= since)
        yield ok({ seq, at, event: event as unknown as E })
    }
  }
}

/** A file that counts, up to where the next one goes on. */
interface Segment {
  readonly path: string
  readonly upTo: { readonly position: Position; readonly nextPath: string } | undefined
}

async function* chainedGroups(
  folder: string,
  files: LedgerFiles,
  isEnough: (opening: Line) => boolean,
): AsyncGenerator<Result<Group, LedgerError>> {
  try {
    const segments = await segmentsOf(folder, files, isEnough)
    if (!segments.ok) return yield segments
    for (const segment of segments.value) {
      const wrong = yield* groupsOf(segment, await files.read(segment.path))
      if (wrong) return yield fail(wrong)
    }
  } catch (error) {
    yield fail(unreadable(folder, error))
  }
}

/**
 * The files that count, oldest first, found from the newest backwards: each says which file it goes
 * on from. Files between the two hold nothing that was acknowledged; files before the oldest may
 * have been archived.
 */
async function segmentsOf(
  folder: string,
  files: LedgerFiles,
  isEnough: (opening: Line) => boolean,
): Promise<Result<Segment[], LedgerDamage>> {
  const present = await numberedFiles(files, folder)
  const newest = await newestOpened(folder, files, present, () => {})
  if (!newest.ok) return newest
  const segments: Segment[] = []
  let upTo: Segment['upTo']
  for (const { number } of present.toReversed()) {
    if (number > (upTo?.position.file ?? newest.value?.number ?? 0)) continue
    if (upTo && number < upTo.position.file) {
      return fail(damage(filePath(folder, upTo.position.file), 0, 'missing'))
    }
    const path = filePath(folder, number)
    const first = scanFile(await files.read(path)).next()
    if (first.done) return fail(endingDamage(path, first.value))
    segments.unshift({ path, upTo })
    const line = first.value.lines[0]!
    const after = line.opening?.after
    if (!after || isEnough(line)) break
    upTo = { position: after, nextPath: path }
  }
  return ok(segments)
}

function* groupsOf(
  { path, upTo }: Segment,
  bytes: Buffer,
): Generator<Result<Group, LedgerError>, LedgerDamage | undefined> {
  const groups = scanFile(bytes)
  for (;;) {
    const { done, value } = groups.next()
    if (done) {
      const expected = !upTo && value.kind !== 'damaged'
      return expected ? undefined : endingDamage(path, value)
    }
    const reached = upTo !== undefined && value.end >= upTo.position.bytes
    if (reached && !isEndedBy(value, upTo.position)) return damage(upTo.nextPath, 1, 'link')
    yield ok(value)
    if (reached) return undefined
  }
}

const isEndedBy = ({ lines, end }: Group, { bytes, seq, hash }: Position): boolean =>
  end === bytes && lines.at(-1)!.seq === seq && lines.at(-1)!.hash === hash

/** What is wrong with a file that ends too early. */
function endingDamage(path: string, ending: Ending): LedgerDamage {
  if (ending.kind === 'damaged') return damage(path, ending.line, ending.wrong)
  return damage(path, ending.kind === 'torn' ? ending.line : 0, 'short')
}
