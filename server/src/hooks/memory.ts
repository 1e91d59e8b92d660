import type { Clock } from '../core/clock.ts'
import { type Opening, openingKey } from '../core/openings.ts'
import { type Hook, HookError } from './hook.ts'

/** What comes before each call; a test lets it reject, or not come back. */
export type Before = (event: 'open' | 'close', opening: Opening) => void | Promise<void>

/**
 * Opens doors in a table only: the in-memory twin, and the hook to read first. What has run out
 * is gone without a call, as in a kernel.
 */
export class MemoryHook implements Hook {
  readonly name = 'memory'
  /** Set by tests: fail with a HookError, or wait for as long as they like. */
  before: Before = () => {}
  readonly #services: ReadonlySet<string>
  readonly #clock: Clock
  readonly #open = new Map<string, Opening>()

  constructor(services: Iterable<string>, clock: Clock) {
    this.#services = new Set(services)
    this.#clock = clock
  }

  async open(opening: Opening): Promise<void> {
    if (!this.#services.has(opening.service)) {
      throw new HookError(
        this.name,
        'unknown-service',
        `service ${opening.service} is not in this table`,
      )
    }
    await this.before('open', opening)
    this.#open.set(openingKey(opening), opening)
  }

  async close(opening: Opening): Promise<void> {
    await this.before('close', opening)
    this.#open.delete(openingKey(opening))
  }

  async list(): Promise<readonly Opening[]> {
    const now = this.#clock.now()
    return [...this.#open.values()].filter(({ until }) => until > now)
  }
}
