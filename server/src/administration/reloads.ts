import { fail, type Result } from '@oneknock/shared'
import type { Settings } from '../compose/settings.ts'
import type { Daemon } from '../compose.ts'
import { type ConfigError, formatConfigError } from '../config.ts'

/** Reads the administrator's files anew. */
export type LoadSettings = () => Promise<Result<Settings, ConfigError[]>>

/** One line for each thing that is wrong. */
export type Reloaded = Result<void, readonly string[]>

/**
 * Reloads, one after the other. Whoever asks while one is under way shares the next one, which reads
 * the files as they are then: a thousand signals are two reloads.
 */
export class Reloads {
  readonly #load: LoadSettings
  readonly #onRefused: (errors: readonly string[]) => void
  /** The one that has not begun yet. */
  #next: Promise<Reloaded> | undefined
  #last: Promise<unknown> = Promise.resolve()

  /** `onRefused` is called once for each reload that came to nothing, however many wait for it. */
  constructor(load: LoadSettings, onRefused: (errors: readonly string[]) => void) {
    this.#load = load
    this.#onRefused = onRefused
  }

  reload(daemon: Daemon): Promise<Reloaded> {
    this.#next ??= this.#last.then(async () => {
      this.#next = undefined
      const reloaded = await this.#reload(daemon)
      if (!reloaded.ok) this.#onRefused(reloaded.error)
      return reloaded
    })
    this.#last = this.#next
    return this.#next
  }

  async #reload(daemon: Daemon): Promise<Reloaded> {
    try {
      const settings = await this.#load()
      if (!settings.ok) return fail(settings.error.map(formatConfigError))
      const taken = await daemon.reload(settings.value)
      return taken.ok ? taken : fail([taken.error.message])
    } catch (error) {
      // A daemon that works is not given up because it cannot change.
      return fail([`unexpected: ${error instanceof Error ? error.message : error}`])
    }
  }
}
