import type { Clock } from '../../core/clock.ts'
import type { Report } from '../guard/events.ts'
import type { OpenElement } from '../guard/flows.ts'
import { findProgram } from '../guard/program.ts'
import { HookError } from '../hook.ts'
import { errorOf } from './answer.ts'
import { Channel } from './channel.ts'
import { TABLE } from './elements.ts'
import { LongListing } from './long-listing.ts'
import { Watch } from './watch.ts'

/** What the hook needs of nft. Failures are `HookError`s. */
export interface NftRunner {
  /** Changes the ruleset: all of this command or nothing. It must bear to be given twice. */
  write(command: string): Promise<void>
  /** Sets the end of each, earlier or later, whether it is there or not; `fresh`: it should not be. */
  open(elements: readonly OpenElement[], fresh: boolean): Promise<void>
  /** What a `list` command prints, without what is in sets. */
  read(command: string): Promise<string>
  /** The same with what is in sets, which may take its time. */
  readAll(command: string): Promise<string>
  /** Calls back as soon as the table is taken away, if that can be heard. */
  watch(heard: () => void): void
  stop(): Promise<void>
}

/** Protocols by number: for their names nft opens a file, for each element anew. */
const NUMBERS = '--numeric-protocol'
const WITHOUT_ELEMENTS = '--terse'
/** Milliseconds for a listing with all elements; 100,000 take some 3 seconds. */
const LIST_LIMIT = 30_000

/** Two children for commands: openings wait for a listing, but not for one that takes very long. */
export function keptNft(clock: Clock, report: Report): NftRunner {
  const program = findProgram('nft')
  if (!program) {
    const message = 'nft is not installed: install nftables, or choose another backend'
    throw new HookError('nftables', 'unavailable', message)
  }
  const writer = new Channel({ program, clock, report, joins: true })
  const flags = [NUMBERS, WITHOUT_ELEMENTS]
  const reader = new Channel({ program, flags, clock, report, joins: false })
  const listing = new LongListing(program, [NUMBERS])
  let watch: Watch | undefined
  return {
    write: async command => {
      await writer.run(command)
    },
    open: async (elements, fresh) => {
      await writer.run({ elements, at: clock.monotonic(), fresh })
    },
    read: command => writer.atRest(() => reader.run(command)),
    readAll: async command => {
      const answer = await writer.atRest(() => listing.ask(command, LIST_LIMIT))
      if (answer.kind === 'done') return answer.output
      throw errorOf(answer)
    },
    watch: heard => {
      watch = new Watch(program, heard)
    },
    stop: async () => {
      await Promise.all([writer.stop(), reader.stop(), watch?.stop()])
    },
  }
}

/** What is printed of our table; nothing if it is not there. */
export async function printTable(read: NftRunner['read']): Promise<string | undefined> {
  try {
    return await read(`list table ${TABLE}`)
  } catch (error) {
    const gone = error instanceof HookError && error.message.includes('No such file or directory')
    if (gone) return undefined
    throw error
  }
}
