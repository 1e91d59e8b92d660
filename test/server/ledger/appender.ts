import { systemFiles } from '../../../server/src/ledger/files.ts'
import { openLedger } from '../../../server/src/ledger/ledger.ts'
import type { Counted } from './kit.ts'

/** A process that appends until it is killed: says what it found, then each id that is durable. */
const ids = new Set<number>()
const say = (line: string) => process.stdout.write(`${line}\n`)

say('starting')
const opened = await openLedger<Counted, number[]>({
  folder: process.argv[2]!,
  files: systemFiles,
  now: Date.now,
  checkpoint: () => [...ids],
  restore: restored => {
    for (const id of restored) ids.add(id)
  },
  replay: ({ event }) => ids.add(event.id),
  maxFileBytes: 8_000,
})
if (!opened.ok) throw new Error(opened.error.message)
say(`found ${JSON.stringify([...ids])}`)

let last = Math.max(0, ...ids)
const append = async (): Promise<void> => {
  const id = ++last
  ids.add(id)
  const outcome = await opened.value.append({ event: 'counted', id })
  say(outcome.ok ? `durable ${id}` : outcome.error.message)
}
for (;;) await Promise.all(Array.from({ length: 1 + (last % 7) }, append))
