import type { Clock } from '../../core/clock.ts'
import { HookError } from '../hook.ts'
import { Channel } from './channel.ts'
import type { Report } from './events.ts'
import { findProgram } from './program.ts'
import { Watch } from './watch.ts'

/** What the hook needs of nft. Failures are `HookError`s. */
export interface NftRunner {
  /** Changes the ruleset: all of this command or nothing. It must bear to be given twice. */
  write(command: string): Promise<void>
  /** What a `list` command prints. */
  read(command: string): Promise<string>
  /** Calls back as soon as the table is taken away, if that can be heard. */
  watch(heard: () => void): void
  stop(): Promise<void>
}

/** Two children for commands: to list a table takes time that no opening should wait for. */
export function keptNft(clock: Clock, report: Report): NftRunner {
  const program = findProgram('nft')
  if (!program) {
    const message = 'nft is not installed: install nftables, or choose another backend'
    throw new HookError('nftables', 'unavailable', message)
  }
  const writer = new Channel({ program, clock, report, joins: true })
  const reader = new Channel({ program, clock, report, joins: false })
  let watch: Watch | undefined
  return {
    write: async command => {
      await writer.run(command)
    },
    read: command => reader.run(command),
    watch: heard => {
      watch = new Watch(program, heard)
    },
    stop: async () => {
      await Promise.all([writer.stop(), reader.stop(), watch?.stop()])
    },
  }
}
