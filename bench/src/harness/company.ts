interface Stoppable {
  stop(): Promise<void>
}

/** What starts together and is stopped together, though one of it may not come up. */
export class Company implements Stoppable {
  readonly #starting: Promise<Stoppable>[] = []

  add<T extends Stoppable>(starting: Promise<T>): Promise<T> {
    this.#starting.push(starting)
    return starting
  }

  async stop(): Promise<void> {
    const started = await Promise.allSettled(this.#starting)
    await Promise.all(
      started.map(each => (each.status === 'fulfilled' ? each.value.stop() : undefined)),
    )
  }
}
