import type { Clock } from '../../core/clock.ts'
import type { Report } from '../guard/events.ts'
import { HookError } from '../hook.ts'
import { type Answer, errorOf } from './answer.ts'
import { type Command, isHopeful, isLong, lineOf } from './command.ts'
import { InteractiveNft } from './interactive.ts'
import { runOnce } from './one-shot.ts'

/** Commands in one transaction at most: a line stays short of the time limit by far. */
const BATCH_MAX = 1_000
/** Milliseconds for a line; 1,000 elements take some 35. Who hangs longer will not come back. */
const LINE_LIMIT = 5_000
/** Longer lines may take longer: a hundred times what an element of 40 characters was seen to take. */
const CHARACTERS_PER_MS = 10
/**
 * Lines that a child is given. It remembers each, as if somebody might want it back, and walks them
 * all with every new one: at a line a second, a guard's reader was seen to take three times as long
 * after a few hours, and 16 MB more after a day.
 */
export const CHILD_LINES = 1_000
/** Milliseconds of one-shot commands before another child is tried, after one that never answered. */
const ONE_SHOT_PERIOD = 60_000
/**
 * Milliseconds that commands are held back for who looks at the ruleset. nft begins a listing anew if
 * anything changes meanwhile: between changes that came every 3 ms, one of 2,500 elements was seen to take
 * a whole processor for as long as they came. By then a heartbeat has gone through some 30,000 and a census has
 * read 9,000; beyond that they take their chance.
 */
const REST_MAX = 250

interface Job {
  readonly command: Command
  readonly resolve: (output: string) => void
  readonly reject: (error: HookError) => void
}

export interface ChannelOptions {
  readonly program: string
  /** For the child, beside `-i`, and for a process of its own. */
  readonly flags?: readonly string[]
  readonly clock: Clock
  readonly report: Report
  /** Whether commands that wait are joined. Those that print something must not be. */
  readonly joins: boolean
}

/**
 * Commands for nft, one after the other: through a child that is kept, since to start one costs more
 * than most commands. A command must bear to be given twice, as when the child dies on it.
 */
export class Channel {
  readonly #options: ChannelOptions
  readonly #waiting: Job[] = []
  #work: Promise<void> | undefined
  #child: InteractiveNft | undefined
  /** The line that it works on. */
  #sending: Promise<unknown> = Promise.resolve()
  /** The end of all looks that commands are held back for. */
  #rest: Promise<unknown> | undefined
  /** The end of the child that was relieved last. */
  #relieved: Promise<void> | undefined
  #oneShotUntil = Number.NEGATIVE_INFINITY
  #stopped = false

  constructor(options: ChannelOptions) {
    this.#options = options
  }

  /** Resolves with what it printed; rejects if nothing was changed, or if nobody knows. */
  run(command: Command): Promise<string> {
    return new Promise((resolve, reject) => {
      if (this.#stopped) return reject(stopped())
      this.#waiting.push({ command, resolve, reject })
      this.#work ??= this.#workOff()
    })
  }

  /** Looks at what these commands change, between two of them; more are held back meanwhile. */
  async atRest<T>(look: () => Promise<T>): Promise<T> {
    let end = () => {}
    const over = new Promise<void>(resolve => {
      end = resolve
    })
    const rest = Promise.all([this.#rest, over])
    this.#rest = rest
    const timer = setTimeout(end, REST_MAX)
    try {
      await this.#sending
      return await look()
    } finally {
      clearTimeout(timer)
      end()
      if (this.#rest === rest) this.#rest = undefined
    }
  }

  /** Finishes what was asked for. */
  async stop(): Promise<void> {
    this.#stopped = true
    await this.#work
    const child = this.#child
    this.#child = undefined
    await Promise.all([child?.end(), this.#relieved])
  }

  async #workOff(): Promise<void> {
    // What is asked for in the same turn goes together.
    await Promise.resolve()
    while (this.#waiting.length > 0) {
      if (this.#rest) await this.#rest // Else in the same turn: a look may begin in the next.
      const batch = this.#waiting.splice(0, this.#options.joins ? BATCH_MAX : 1)
      const answer = await this.#send(batch)
      const mayHold = batch.length > 1 || batch.some(({ command }) => isHopeful(command))
      if (answer.kind === 'refused' && mayHold) await this.#oneByOne(batch)
      else for (const job of batch) settle(job, answer)
      this.#relieve()
    }
    // In the same turn as the last look at what waits: whoever comes next starts it again.
    this.#work = undefined
  }

  /** One of them was wrong, so none was carried out: the others shall not suffer for it. */
  async #oneByOne(batch: readonly Job[]): Promise<void> {
    for (const job of batch) {
      if (this.#rest) await this.#rest
      settle(job, await this.#send([job], true))
    }
  }

  #send(jobs: readonly Job[], assured = false): Promise<Answer> {
    const answer = this.#ask(jobs, assured)
    this.#sending = answer
    return answer
  }

  /** It never rejects. */
  async #ask(jobs: readonly Job[], assured: boolean): Promise<Answer> {
    const commands = jobs.map(({ command }) => command)
    const line = lineOf(commands, this.#options.clock.monotonic(), assured)
    const limit = LINE_LIMIT + Math.ceil(line.length / CHARACTERS_PER_MS)
    try {
      const child = this.#keptChild()
      const answer = commands.some(isLong) ? undefined : await child?.ask(line, limit)
      if (answer && answer.kind !== 'gone') return answer
      const { program, flags } = this.#options
      return await runOnce(program, line, limit, flags)
    } catch (error) {
      // No memory for a process, say: Node throws for some reasons and tells of others.
      return { kind: 'gone', message: error instanceof Error ? error.message : String(error) }
    }
  }

  #keptChild(): InteractiveNft | undefined {
    const { program, flags, clock } = this.#options
    if (this.#child || clock.monotonic() < this.#oneShotUntil) return this.#child
    const child = new InteractiveNft(program, flags)
    this.#child = child
    child.exited.then(message => this.#lost(child, message))
    return child
  }

  /** Starts another child between two lines, so that no command waits for it. */
  #relieve(): void {
    const old = this.#child
    if (this.#stopped || !old || old.asked < CHILD_LINES) return
    this.#child = undefined
    this.#relieved = old.end()
    this.#keptChild()
  }

  #lost(child: InteractiveNft, message: string): void {
    if (this.#child !== child) return
    this.#child = undefined
    const { clock, report } = this.#options
    if (!child.answered) this.#oneShotUntil = clock.monotonic() + ONE_SHOT_PERIOD
    report({ kind: child.answered ? 'child-died' : 'one-shot', message })
  }
}

function settle({ resolve, reject }: Job, answer: Answer): void {
  if (answer.kind === 'done') resolve(answer.output)
  else reject(errorOf(answer))
}

const stopped = (): HookError => new HookError('nftables', 'unavailable', 'the guard was let go of')
