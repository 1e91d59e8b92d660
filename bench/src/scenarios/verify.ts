import type { Core } from '../core.ts'
import { startChild } from '../harness/children.ts'
import { atMost } from '../harness/figures.ts'
import { ratios, sampleOf } from '../harness/stats.ts'
import type { Scenario } from './scenario.ts'

/** Row 4: what a good packet costs beyond its ciphers. */
export const verify: Scenario = {
  rows: [4],
  title: 'a good packet up to its verdict, beside its ciphers alone',
  async run({ full }) {
    const core = await startChild<Core>('core', { side: 'receiver' })
    try {
      const { verify, primitives } = await core.ask('verify', { runs: full ? 101 : 21 })
      const ratio = ratios(verify, primitives)
      return [
        {
          row: 4,
          id: 'verify',
          what: 'a good packet judged, steps 1 to 9',
          value: sampleOf(verify),
          unit: 'µs',
          reference: {
            what: 'HMAC-SHA-256, XChaCha20 and three HMAC-SHA-1',
            value: sampleOf(primitives),
          },
          ratio,
          target: atMost(ratio, 1.5),
        },
      ]
    } finally {
      await core.stop()
    }
  },
}
