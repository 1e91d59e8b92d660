import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { fail, ok, type Result } from '@oneknock/shared'
import { Chain, type ChainOptions, Overtaken } from './chain.ts'
import { numberedFiles } from './folder.ts'
import type { Ledger } from './ledger.ts'
import { type Draft, type Head, type LedgerEvent, lineBytes } from './lines.ts'
import { anotherDaemon, describe, failure, type LedgerFailure, type LedgerNote } from './notes.ts'
import { Space } from './space.ts'

export interface WriterOptions extends ChainOptions {
  readonly now: () => number
  readonly checkpoint: () => unknown
  readonly report: (note: LedgerNote) => void
  readonly spaceBytes: number
}

type Outcome = Result<void, LedgerFailure>

interface Pending extends Draft {
  readonly refusal: boolean
  readonly resolve: (outcome: Outcome) => void
}

/** What may wait for the disk: some 8,000 knocks, more than a disk that works ever keeps waiting. */
const QUEUE_CHARS = 4 * 1024 * 1024
/** How often a disk that refused is asked again, and one that is nearly full is measured. */
const RETRY_MS = 1_000

/** Group commit: while one group is on its way to the disk, the next one gathers. */
export class Writer<E extends LedgerEvent> implements Ledger<E> {
  readonly #options: WriterOptions
  readonly #chain: Chain
  readonly #space: Space
  #queue: Pending[] = []
  #heldChars = 0
  #draining: Promise<void> | undefined
  #closed = false
  /** Why the last attempt to write failed; `undefined` once one succeeds. */
  #failed: LedgerFailure | undefined
  #triedAt = Number.NEGATIVE_INFINITY
  #measuredAt = Number.NEGATIVE_INFINITY
  #toldLevel: Space['level'] = 'ample'

  constructor(options: WriterOptions) {
    this.#options = options
    this.#chain = new Chain(options)
    this.#space = new Space(options.spaceBytes)
  }

  /** Opens the first file. */
  start(): Promise<LedgerFailure | undefined> {
    return this.#commitQueue()
  }

  append(event: E, { refusal = false } = {}): Promise<Outcome> {
    const json = JSON.stringify(event)
    const refused = this.#refuse(json.length)
    if (refused) return Promise.resolve(fail(refused))
    return new Promise(resolve => {
      this.#queue.push({ at: this.#options.now(), json, refusal, resolve })
      this.#heldChars += json.length
      this.#draining ??= this.#drain()
    })
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#draining
    await this.#chain.close()
  }

  head(): Head {
    return this.#chain.head
  }

  #refuse(chars: number): LedgerFailure | undefined {
    if (this.#closed) return failure('closed', 'the ledger is closed')
    const resting = this.#draining ? undefined : this.#resting()
    if (resting) return resting
    if (this.#heldChars + chars <= QUEUE_CHARS) return undefined
    return failure('queue-full', `${this.#heldChars} characters wait for a disk that is too slow`)
  }

  /** The reason not to ask the disk again just yet. */
  #resting(): LedgerFailure | undefined {
    if (this.#failed?.why === 'another-daemon') return this.#failed
    return this.#chain.wantsFile && !this.#isOver(this.#triedAt) ? this.#failed : undefined
  }

  async #drain(): Promise<void> {
    while (this.#queue.length > 0) {
      // Whatever else this turn brings shares the sync: packets arrive in bursts.
      await turnOfTheLoop()
      await this.#commitQueue()
    }
    this.#draining = undefined
  }

  async #commitQueue(): Promise<LedgerFailure | undefined> {
    let failed = await this.#prepare()
    const queued = this.#queue
    this.#queue = []
    const group = failed ? queued : this.#withinSpace(queued)
    if (!failed && (group.length > 0 || this.#chain.atStart)) failed = await this.#write(group)
    const outcome: Outcome = failed ? fail(failed) : ok(undefined)
    for (const pending of group) this.#settle(pending, outcome)
    return failed
  }

  /** Sees to it that there is a file to write to, and that the space left is known. */
  async #prepare(): Promise<LedgerFailure | undefined> {
    const resting = this.#resting()
    if (resting) return resting
    try {
      if (!this.#chain.wantsFile) {
        if (this.#space.level !== 'ample' && this.#isOver(this.#measuredAt)) await this.#measure()
        return undefined
      }
      this.#triedAt = this.#options.now()
      await this.#measure()
      if (this.#space.level === 'used-up') return this.#fail(this.#noSpace())
      await this.#chain.createFile()
      return undefined
    } catch (error) {
      return this.#fail(this.#explain(error))
    }
  }

  async #write(group: readonly Pending[]): Promise<LedgerFailure | undefined> {
    const { now, checkpoint } = this.#options
    const { atStart } = this.#chain
    try {
      this.#space.spend(await this.#chain.append(group, now(), checkpoint))
    } catch (error) {
      return this.#fail(this.#explain(error))
    }
    this.#failed = undefined
    if (atStart) this.#tellOpened()
    this.#tellSpace()
    return undefined
  }

  /** The events that there is room for; the others are refused here. */
  #withinSpace(queued: readonly Pending[]): readonly Pending[] {
    let planned = 0
    return queued.filter(pending => {
      const bytes = lineBytes(pending)
      const fits = this.#space.admits(planned + bytes, pending.refusal)
      if (fits) planned += bytes
      else this.#settle(pending, fail(this.#noSpace()))
      return fits
    })
  }

  #settle({ json, resolve }: Pending, outcome: Outcome): void {
    this.#heldChars -= json.length
    resolve(outcome)
  }

  async #measure(): Promise<void> {
    const { files, folder, now } = this.#options
    const [listed, free] = await Promise.all([
      numberedFiles(files, folder),
      files.freeBytes(folder),
    ])
    const used = listed.reduce((sum, { bytes }) => sum + bytes, 0)
    this.#space.measured(used, free)
    this.#measuredAt = now()
    this.#tellSpace()
  }

  /** A clock that steps back must not make this wait. */
  #isOver(since: number): boolean {
    return Math.abs(this.#options.now() - since) >= RETRY_MS
  }

  #explain(error: unknown): LedgerFailure {
    const { folder } = this.#options
    if (error instanceof Overtaken) return failure('another-daemon', anotherDaemon(folder).message)
    return failure(
      'disk',
      `cannot write the ledger in ${folder} (${describe(error)}); trying again`,
    )
  }

  #noSpace(): LedgerFailure {
    const { folder } = this.#options
    const message = `no space for the ledger (${this.#space}): archive or delete the oldest files in ${folder}`
    return failure('space', message)
  }

  #fail(failed: LedgerFailure): LedgerFailure {
    const { why, message } = failed
    // Said once, not each second for as long as it lasts.
    if (message !== this.#failed?.message) this.#options.report({ kind: 'failed', why, message })
    this.#failed = failed
    return failed
  }

  #tellOpened(): void {
    const { path: file, head } = this.#chain
    const { seq } = head
    this.#options.report({ kind: 'opened', file, seq, message: `${file}: opened at line ${seq}` })
  }

  #tellSpace(): void {
    const { level } = this.#space
    if (level === this.#toldLevel) return
    this.#toldLevel = level
    const message = `space for the ledger is ${level} (${this.#space})`
    this.#options.report({ kind: 'space', level, message })
  }
}
