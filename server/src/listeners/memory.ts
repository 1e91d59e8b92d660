import type { Attempt, Judge, Listener, Silence, Verdict } from './listener.ts'

/** A way in without a network: the in-memory twin, and the listener to read first. */
export class MemoryListener implements Listener {
  readonly name = 'memory'
  #knock: Judge | undefined

  async start(knock: Judge): Promise<void> {
    this.#knock = knock
  }

  async stop(): Promise<void> {
    this.#knock = undefined
  }

  /** What a datagram from the network would be answered; nobody answers while it is stopped. */
  send(attempt: Attempt): Silence | Promise<Verdict> | undefined {
    return this.#knock?.(attempt)
  }
}
