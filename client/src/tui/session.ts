import type { Clock } from '../clock.ts'
import type { State, Work } from './state.ts'
import { type Event, update } from './update.ts'

/** An event before the session says when it came. */
export type Happening = Event extends infer E ? (E extends Event ? Omit<E, 'at'> : never) : never

/** Does what a state asks for, and tells of it. The signal ends it: from then on nobody listens. */
export type Perform = (
  work: Work,
  signal: AbortSignal,
  tell: (happening: Happening) => void,
) => Promise<void>

const SECOND_MS = 1000

/** Holds the state, counts its seconds, and has its work done. */
export class Session {
  readonly #clock: Clock
  readonly #perform: Perform
  #state: State
  #show: (state: State) => void = () => {}
  #atWork = new AbortController()
  #stopTicking = () => {}

  constructor(state: State, clock: Clock, perform: Perform) {
    this.#state = state
    this.#clock = clock
    this.#perform = perform
  }

  get state(): State {
    return this.#state
  }

  /** From now on each new state is shown. */
  start(show: (state: State) => void): void {
    this.#show = show
    show(this.#state)
    this.#tick()
  }

  readonly tell = (happening: Happening): void => {
    const before = this.#state
    this.#state = update(before, { ...happening, at: this.#clock.now() } as Event)
    const { work } = this.#state
    if (work?.id !== before.work?.id) this.#take(work)
    this.#show(this.#state)
  }

  /** Gives up what is under way, and shows nothing more. */
  end(): void {
    this.#stopTicking()
    this.#atWork.abort()
    this.#show = () => {}
  }

  #take(work: Work | undefined): void {
    this.#atWork.abort()
    this.#atWork = new AbortController()
    if (work) this.#perform(work, this.#atWork.signal, this.tell)
  }

  /** With each second of the wall clock, so that all countdowns move together. */
  #tick(): void {
    const rest = SECOND_MS - (this.#clock.now() % SECOND_MS)
    this.#stopTicking = this.#clock.after(rest, () => {
      this.tell({ type: 'ticked' })
      this.#tick()
    })
  }
}
