import { type Attempt, type Judge, type Listener, SILENCE, type Verdict } from './listener.ts'

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

  /** What an attempt from the network is answered; nobody is answered once it has stopped. */
  async send(attempt: Attempt): Promise<Verdict> {
    const verdict = await this.#knock?.(attempt)
    return this.#knock && verdict ? verdict : SILENCE
  }
}
