import type { Opening } from '../../server/src/core/openings.ts'
import { MemoryHook } from '../../server/src/hooks/memory.ts'
import { HandClock, type Kit, kit, service } from './kit.ts'

/** Remembers nothing over a restart, as a command that was run: only the ledger can tell what is open. */
class ForgetfulHook extends MemoryHook {
  readonly calls: string[] = []

  override async open(opening: Opening): Promise<void> {
    await super.open(opening)
    this.calls.push(`open ${opening.service} ${opening.network.address}`)
  }

  override async close(opening: Opening): Promise<void> {
    await super.close(opening)
    this.calls.push(`close ${opening.service} ${opening.network.address}`)
  }

  async cut({ service, network }: Opening): Promise<void> {
    this.calls.push(`cut ${service} ${network.address}`)
  }

  override async list(): Promise<readonly Opening[]> {
    return []
  }
}

export const services = [service('ssh', { factor: 'none' }), service('wiki', { factor: 'none' })]
export const forgetful = (clock = new HandClock()) => new ForgetfulHook(['ssh', 'wiki'], clock)

/** The daemon dies, and another one starts from what is on record. */
export async function restart(before: Kit, options: Parameters<typeof kit>[0] = {}) {
  const hook = forgetful(before.clock)
  const after = kit({ services, clock: before.clock, ledger: before.lines, hook, ...options })
  await after.gatekeeper.resume([after.hook])
  return { ...after, hook }
}
