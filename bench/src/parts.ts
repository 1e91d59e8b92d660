/** What opening a port cannot do without, by itself: a line made durable, then one transaction of nft. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { findProgram } from '../../server/src/hooks/guard/program.ts'
import { InteractiveNft } from '../../server/src/hooks/nftables/interactive.ts'
import { systemFiles } from '../../server/src/ledger/files.ts'
import { serve } from './harness/serve.ts'

/** About as long as the ledger's line of a knock. */
const LINE = Buffer.alloc(800, 0x2e)
const LIMIT_MS = 5_000
/** Between two, as between two knocks: whoever waits has gone to sleep, and so has the processor. */
const GAP_MS = 5
const TABLE = 'inet parts'

const handlers = {
  /** Milliseconds, one by one. */
  async both({ folder, times }: { folder: string; times: number }): Promise<number[]> {
    mkdirSync(folder, { recursive: true })
    const file = await systemFiles.create(join(folder, 'lines'))
    const nft = new InteractiveNft(findProgram('nft')!)
    const tell = async (command: string) => {
      const { kind } = await nft.ask(command, LIMIT_MS)
      if (kind !== 'done') throw new Error(`nft did not take ${command}`)
    }
    await tell(`add table ${TABLE}; add set ${TABLE} open { type ipv4_addr; flags timeout; }`)
    const took: number[] = []
    for (let i = 0; i < times; i++) {
      await pause(GAP_MS)
      const start = performance.now()
      await file.write(LINE)
      await file.datasync()
      await tell(`add element ${TABLE} open { 198.18.${i >> 8}.${i & 255} timeout 1h }`)
      took.push(performance.now() - start)
    }
    await tell(`delete table ${TABLE}`)
    await nft.end()
    await file.close()
    return took
  },
}
export type Parts = typeof handlers

serve(handlers)
