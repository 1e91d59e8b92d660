import { startDaemon } from '../harness/daemons.ts'
import { atMost } from '../harness/figures.ts'
import { startFlood } from '../harness/flooding.ts'
import { writeJunk, writeWrongTags } from '../harness/packets.ts'
import { sampleOf } from '../harness/stats.ts'
import { freePorts, gateDoor, makeWorld } from '../harness/world.ts'
import type { Scenario } from './scenario.ts'

/** Row 11: whatever strangers send, nothing of it stays. */
export const memory: Scenario = {
  rows: [11],
  title: 'memory after a flood of junk',
  async run({ folder, full }) {
    const [port, gate] = (await freePorts(2)) as [number, number]
    const door = gateDoor(`127.0.0.1:${gate}`, '127.0.0.1:9')
    const world = makeWorld({ folder, users: 100, devicesPerUser: 10, door, backend: 'gate', port })
    const [daemon, flood] = await Promise.all([startDaemon(world), startFlood()])
    const files = [writeJunk(folder), writeWrongTags(folder, world.users)]
    const jobs = [
      ...files.map(file => ({ file, oddLengths: false })),
      ...files.map(file => ({ file, oddLengths: true })),
    ]
    const refuse = async (packets: number) => {
      const until = (await refused()) + packets
      for (let i = 0; (await refused()) < until; i++) {
        const job = jobs[i % jobs.length]!
        await flood.ask('flood', { host: world.host, port, ms: TURN_MS, ...job })
      }
    }
    const refused = async () => {
      const { length, hint, tag } = await daemon.packets()
      return length + hint + tag
    }
    try {
      await refuse(WARM_UP) // What is compiled and what is kept ready are there by now.
      const [before, first] = [await daemon.ask('held'), await refused()]
      await refuse(full ? FULL_PACKETS : PACKETS)
      const grown = sampleOf([((await daemon.ask('held')) - before) / 1e6])
      const packets = (await refused()) - first
      return [
        {
          row: 11,
          id: 'junk-growth',
          what: `memory that ${packets.toLocaleString('en-GB')} junk packets leave behind`,
          value: grown,
          unit: 'MB',
          reference: { what: 'in use before', value: sampleOf([before / 1e6]) },
          target: atMost(grown, GROWTH_MAX_MB, ' MB'),
          note: 'random bytes, wrong tags behind right hints, and both in odd lengths',
        },
      ]
    } finally {
      await Promise.all([daemon.stop(), flood.stop()])
    }
  },
}

const TURN_MS = 500
const WARM_UP = 200_000
/** So many that two bytes kept for each would show. */
const PACKETS = 500_000
/** An hour of what the kernel's prefilter lets four senders through with. */
const FULL_PACKETS = 4 * 1_000 * 3_600
/** What a heap of this size comes and goes by itself is less. */
const GROWTH_MAX_MB = 1
