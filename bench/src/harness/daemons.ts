import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Counted } from '../../../server/src/counters.ts'
import type { Daemon } from '../daemon.ts'
import { type Child, type ChildOptions, startChild } from './children.ts'
import type { World } from './world.ts'

export interface RunningDaemon extends Child<Daemon> {
  /** From the start of its process until it said that it was ready. */
  readonly startedInMs: number
  packets(): Promise<Readonly<Record<Counted, number>>>
}

/** Longer than any start worth measuring. */
const READY_MS = 60_000

/** The daemon as a process of its own, ready to be knocked at. */
export async function startDaemon(
  world: World,
  options: Partial<Pick<ChildOptions, 'side' | 'through' | 'node' | 'output'>> = {},
): Promise<RunningDaemon> {
  const { side = 'receiver', node = [], output = join(world.folder, 'log'), ...rest } = options
  const start = performance.now()
  const child = await startChild<Daemon>('daemon', {
    side,
    arguments: [world.configFile],
    node: ['--expose-gc', ...node],
    output,
    ...rest,
  })
  const isReady = () => readFileSync(output, 'utf8').includes('"msg":"ready"')
  while (!isReady()) {
    if (performance.now() - start > READY_MS) throw new Error(`not ready; see ${output}`)
    await Promise.race([pause(2), child.lost])
  }
  return {
    ...child,
    startedInMs: performance.now() - start,
    packets: async () => (await child.ask('counted')).packets,
  }
}

const LOOK_MS = 100
const IDLE_PART = 0.05
/** Three seconds: by then all hints are made. */
const LOOKS_MAX = 30

/** Until it has nothing to do but its rounds. */
export async function untilIdle(daemon: RunningDaemon): Promise<void> {
  let before = (await daemon.ask('usage')).cpuMs
  for (let look = 0; look < LOOKS_MAX; look++) {
    await pause(LOOK_MS)
    const { cpuMs } = await daemon.ask('usage')
    if (cpuMs - before < LOOK_MS * IDLE_PART) return
    before = cpuMs
  }
}
