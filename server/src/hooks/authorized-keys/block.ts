import { fail, formatNetwork, isName, ok, parseNetwork, type Result } from '@oneknock/shared'
import type { Opening } from '../../core/openings.ts'

/** What the block says is open: an opening that is somebody's own. */
export interface Entry extends Opening {
  readonly user: string
}

/** A file taken apart: what is ours, and what is not to be touched. Texts are latin1, a byte each. */
export interface Parts {
  readonly before: string
  readonly entries: readonly Entry[]
  readonly after: string
}

const BEGIN = '# BEGIN oneknock: oneknockd writes this block; a change in here is lost'
const END = '# END oneknock'

const BEGIN_LINE = /^# BEGIN oneknock\b.*\n?/gm
const END_LINE = /^# END oneknock\b.*\n?/gm

/** Finds the block. One that is cut short or there twice is nobody's to guess about. */
export function parseFile(text: string): Result<Parts, string> {
  const begins = [...text.matchAll(BEGIN_LINE)]
  const ends = [...text.matchAll(END_LINE)]
  const [begin, end] = [begins[0], ends[0]]
  if (!begin && !end) return ok({ before: '', entries: [], after: text })
  if (!begin || !end || begins.length > 1 || ends.length > 1 || end.index < begin.index) {
    return fail(
      `the lines "# BEGIN oneknock" and "${END}" do not pair up; remove them and the lines between`,
    )
  }
  return ok({
    before: text.slice(0, begin.index),
    entries: text.slice(begin.index, end.index).split('\n').flatMap(parseEntry),
    after: text.slice(end.index + end[0].length),
  })
}

/**
 * A new block goes to the top, where it needs no line end before it: so taking it away again leaves
 * every byte as it was. Without entries there is none.
 */
export function formatFile({ before, entries, after }: Parts, lines: readonly string[]): string {
  if (entries.length === 0) return before + after
  const block = [BEGIN, ...entries.map(formatEntry), ...lines, END, '']
  return before + block.join('\n') + after
}

const formatEntry = ({ user, service, network, until }: Entry): string =>
  `# ${user} ${service} ${formatNetwork(network)} until ${new Date(until).toISOString()}`

const ENTRY = /^# (\S+) (\S+) (\S+) until (\d{4}-\d\d-\d\dT[\d:.]+Z)$/

function parseEntry(line: string): Entry[] {
  const [, user = '', service = '', address = '', time = ''] = ENTRY.exec(line) ?? []
  const network = parseNetwork(address)
  const until = Date.parse(time)
  if (!isName(user) || !isName(service) || !network || Number.isNaN(until)) return []
  return [{ user, service, network, until }]
}
