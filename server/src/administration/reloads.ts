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
  #present: Promise<Reloaded> | undefined
  #next: Promise<Reloaded> | undefined

  constructor(load: LoadSettings) {
    this.#load = load
  }

  reload(daemon: Daemon): Promise<Reloaded> {
    if (!this.#present) return this.#begin(daemon)
    this.#next ??= this.#present.then(() => this.#begin(daemon))
    return this.#next
  }

  #begin(daemon: Daemon): Promise<Reloaded> {
    this.#next = undefined
    const reload = this.#reload(daemon).finally(() => {
      this.#present = undefined
    })
    this.#present = reload
    return reload
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
