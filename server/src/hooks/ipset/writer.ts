import { HookError } from '../hook.ts'
import type { Programs } from './programs.ts'

/** Lines for one process at most: 2,000 take some 10 ms, longer than any door should wait. */
const BATCH_MAX = 2_000

interface Job {
  readonly lines: readonly string[]
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/** Changes of sets, one process after the other: what waits meanwhile goes together. */
export class SetWriter {
  readonly #programs: Pick<Programs, 'ipset'>
  readonly #waiting: Job[] = []
  #work: Promise<void> | undefined

  constructor(programs: Pick<Programs, 'ipset'>) {
    this.#programs = programs
  }

  write(lines: readonly string[]): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ lines, resolve, reject })
      this.#work ??= this.#workOff()
    })
  }

  async settled(): Promise<void> {
    await this.#work
  }

  async #workOff(): Promise<void> {
    // What is asked for in the same turn goes together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      const batch = this.#take()
      const error = await this.#carryOut(batch)
      if (!error) for (const { resolve } of batch) resolve()
      else if (batch.length > 1) await this.#oneByOne(batch)
      else batch[0]!.reject(error)
    }
    // In the same turn as the last look at what waits: whoever comes next starts it again.
    this.#work = undefined
  }

  #take(): Job[] {
    let [jobs, lines] = [0, 0]
    for (const job of this.#waiting) {
      lines += job.lines.length
      if (jobs > 0 && lines > BATCH_MAX) break
      jobs++
    }
    return this.#waiting.splice(0, jobs)
  }

  /** One of them was wrong: the others shall not suffer for it, and bear to be told twice. */
  async #oneByOne(batch: readonly Job[]): Promise<void> {
    for (const job of batch) {
      const error = await this.#carryOut([job])
      if (error) job.reject(error)
      else job.resolve()
    }
  }

  async #carryOut(batch: readonly Job[]): Promise<unknown> {
    try {
      await this.#programs.ipset(batch.flatMap(({ lines }) => lines))
      return undefined
    } catch (error) {
      if (error instanceof HookError) return error
      // No memory for a process, say.
      return new HookError(
        'ipset',
        'unavailable',
        error instanceof Error ? error.message : `${error}`,
      )
    }
  }
}
