import type { Validation } from './core/factors.ts'

/**
 * Asks the validation servers about an OTP. Always settles within some seconds; what it throws counts
 * as no answer.
 */
export type Validate = (otp: string) => Promise<Validation>

/**
 * Validations under way at once: each is a request to somebody else's server, and waits up to some
 * seconds. Only whoever has a device's key, or is at a door, begins one.
 */
export const VALIDATIONS_MAX = 64

/**
 * The knocks whose OTP is being validated. Steps 1 to 7 are behind them, and the packet is in the
 * replay memory; nothing is on record, burnt or answered yet. Further packets of such a knock join
 * it, so that no OTP is sent twice.
 */
export class Validating<Knock> {
  readonly #validate: Validate
  readonly #count: (outcome: Validation) => void
  /** Devices, and users at doors, of whom an OTP is with the servers. */
  readonly #asking = new Set<string>()
  readonly #waiting = new Map<string, Promise<Knock>>()

  constructor(
    validate: Validate = async () => 'unavailable',
    count: (outcome: Validation) => void = () => {},
  ) {
    this.#validate = validate
    this.#count = count
  }

  /** The knock that this is a further packet of, if it still waits. */
  find(device: string, knock: string): Promise<Knock> | undefined {
    return this.#waiting.get(keyOf(device, knock))
  }

  /** Has the OTP validated, then the knock judged: in the tick in which it waits no more. */
  begin(
    device: string,
    knock: string,
    otp: string,
    judged: (validation: Validation) => Knock,
  ): Promise<Knock> {
    const key = keyOf(device, knock)
    const entry = this.ask(device, otp).then(validation => {
      this.#waiting.delete(key)
      return judged(validation)
    })
    this.#waiting.set(key, entry)
    return entry
  }

  /** One at a time for each device; who asks for more gets no answer, and is not counted wrong. */
  async ask(device: string, otp: string): Promise<Validation> {
    const outcome = await this.#outcome(device, otp)
    this.#count(outcome)
    return outcome
  }

  async #outcome(device: string, otp: string): Promise<Validation> {
    if (this.#asking.has(device) || this.#asking.size >= VALIDATIONS_MAX) return 'unavailable'
    this.#asking.add(device)
    try {
      return await this.#validate(otp)
    } catch {
      return 'unavailable'
    } finally {
      this.#asking.delete(device)
    }
  }
}

const keyOf = (device: string, knock: string): string => `${device} ${knock}`
