/** Where work with one key waits its turn. */
export interface Lane {
  /** Waits for so long, or until more work with this key comes, or until all are to hurry. */
  pause(ms: number): Promise<void>
}

interface Turns extends Lane {
  tail: Promise<unknown>
  waiting: number
  wake: () => void
}

/** Work with the same key is done one after the other, and with different keys at the same time. */
export class Lanes {
  readonly #lanes = new Map<string, Turns>()

  async inTurn<T>(key: string, work: (lane: Lane) => Promise<T>): Promise<T> {
    const lane = this.#lanes.get(key) ?? newLane()
    this.#lanes.set(key, lane)
    lane.waiting++
    lane.wake()
    const turn = lane.tail.then(() => work(lane))
    lane.tail = turn
    const done = await turn
    lane.waiting--
    if (lane.waiting === 0) this.#lanes.delete(key)
    return done
  }

  /** Ends all pauses. */
  hurry(): void {
    for (const lane of this.#lanes.values()) lane.wake()
  }
}

function newLane(): Turns {
  const lane: Turns = {
    tail: Promise.resolve(),
    waiting: 0,
    wake: () => {},
    pause: ms =>
      new Promise(resolve => {
        const timer = setTimeout(resolve, ms)
        lane.wake = () => {
          clearTimeout(timer)
          resolve()
        }
      }),
  }
  return lane
}
