import type { Core } from '../core.ts'
import { startChild } from '../harness/children.ts'
import { atMost, type Figure } from '../harness/figures.ts'
import { ratios, sampleOf } from '../harness/stats.ts'
import type { Replayed } from '../inside/replay.ts'
import type { Scenario } from './scenario.ts'

/** Row 9: a packet costs the same, however many are remembered. */
export const replay: Scenario = {
  rows: [9],
  title: 'good packets while many earlier ones are remembered',
  async run({ full }) {
    const runs = full ? 31 : 7
    const core = await startChild<Core>('core', { side: 'receiver', node: ['--expose-gc'] })
    try {
      const [few, ...many] = await core.ask('replay', { sizes: [FEW, ...MANY], runs })
      return MANY.flatMap((entries, i) => figuresOf(entries, many[i]!, few!))
    } finally {
      await core.stop()
    }
  },
}

const FEW = 1_000
const MANY = [100_000, 1_000_000]

function figuresOf(entries: number, many: Replayed, few: Replayed): Figure[] {
  const count = entries.toLocaleString('en-GB')
  const ratio = ratios(many.perPacket, few.perPacket)
  const bytes = sampleOf([many.bytesPerEntry])
  return [
    {
      row: 9,
      id: `replay-time-${entries}`,
      what: `a good packet judged, ${count} remembered`,
      value: sampleOf(many.perPacket),
      unit: 'µs',
      reference: { what: '1,000 remembered', value: sampleOf(few.perPacket) },
      ratio,
      target: atMost(ratio, 1.2),
    },
    {
      row: 9,
      id: `replay-bytes-${entries}`,
      what: `memory for each packet remembered, of ${count}`,
      value: bytes,
      unit: 'bytes',
      target: atMost(bytes, 64),
    },
  ]
}
