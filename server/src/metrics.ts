import type { Directory } from './core/directory.ts'
import type { State } from './core/state.ts'
import type { Counters } from './counters.ts'
import type { Fault } from './doors.ts'
import type { Head } from './ledger/lines.ts'
import { type Judge, SILENCE } from './listeners/listener.ts'
import { Histogram } from './metrics/histogram.ts'
import { format, type Labels, type Metric } from './metrics/text.ts'

export interface MetricsParts {
  readonly state: State
  readonly counters: Counters
  readonly directory: () => Directory
  readonly head: () => Head
  /** Milliseconds after its daemon's death until the guard lets go; `undefined` if it never does. */
  readonly ifDead?: () => number | undefined
}

/** What monitoring wants to know, counted as it happens. No name of anybody is in it. */
export class Metrics {
  readonly #parts: MetricsParts
  readonly #knocks = new Histogram()
  readonly #ledger = new Histogram()
  readonly #ledgerErrors = new Tally<number>(() => 0)
  readonly #hooks = new Tally(() => new Histogram())
  readonly #hookErrors = new Tally<number>(() => 0)

  constructor(parts: MetricsParts) {
    this.#parts = parts
  }

  /** Times what is answered. Silence passes through untouched: junk costs a comparison more. */
  timed(judge: Judge): Judge {
    return attempt => {
      const verdict = judge(attempt)
      if (verdict === SILENCE) return verdict
      const began = performance.now()
      return Promise.resolve(verdict).finally(() => this.#knocks.observe(performance.now() - began))
    }
  }

  wrote(ms: number, error?: string): void {
    this.#ledger.observe(ms)
    if (error) this.#ledgerErrors.change({ why: error }, count => count + 1)
  }

  asked(hook: string, action: Fault['action'], ms: number): void {
    this.#hooks.get({ hook, action }).observe(ms)
  }

  failed({ hook, action, code }: Pick<Fault, 'hook' | 'action' | 'code'>): void {
    this.#hookErrors.change({ hook, action, code }, count => count + 1)
  }

  /** All of it, for one scrape. */
  read(): string {
    const { state, counters, directory, head } = this.#parts
    const users = [...directory().users.values()]
    const devices = users.reduce((sum, user) => sum + user.devices.length, 0)
    const packets = Object.entries(counters.read())
    const letsGo = this.#parts.ifDead?.()
    return format([
      counter(
        'oneknock_packets_total',
        'Packets by what became of them: where silent ones stopped, or what a knock came to.',
        packets.map(([outcome, count]) => [{ outcome }, count]),
      ),
      counter(
        'oneknock_doors_total',
        'What came through doors without a key, by what became of it.',
        Object.entries(counters.readDoors()).flatMap(([door, counts]) =>
          Object.entries(counts).map(([outcome, count]) => [{ door, outcome }, count] as const),
        ),
      ),
      counter(
        'oneknock_validations_total',
        'OTPs that validation servers were to be asked about, by what came of it.',
        counters.readValidations().map(([outcome, count]) => [{ outcome }, count]),
      ),
      histogram('oneknock_knock_seconds', 'From the judgement of a knock to its answer.', [
        [{}, this.#knocks],
      ]),
      gauge('oneknock_grants', 'Grants that live.', state.grants.size),
      gauge('oneknock_waiting', "Knocks that wait for somebody's yes.", state.waiting.size),
      gauge(
        'oneknock_grants_closing',
        'Ended grants whose doors a hook could not close yet.',
        state.grants.listEnding().length,
      ),
      gauge(
        'oneknock_locked',
        'Devices, doors and users that are locked out after wrong codes.',
        state.lockout.list(Date.now()).length,
      ),
      ...(letsGo === undefined
        ? []
        : [
            gauge(
              'oneknock_guard_if_dead_seconds',
              'How long the guard stands when its daemon is dead, before all is open.',
              letsGo / 1000,
            ),
          ]),
      gauge('oneknock_users', 'Users.', users.length),
      gauge('oneknock_devices', 'Devices.', devices),
      gauge(
        'oneknock_replay_memory',
        'Packets that are remembered so that none counts twice.',
        state.replay.size,
      ),
      counter('oneknock_ledger_lines_total', 'Lines of the ledger since it began.', [
        [{}, head().seq],
      ]),
      histogram('oneknock_ledger_write_seconds', 'Until an event was durable, or was not.', [
        [{}, this.#ledger],
      ]),
      counter(
        'oneknock_ledger_errors_total',
        'Events that could not be recorded.',
        this.#ledgerErrors.list(),
      ),
      histogram(
        'oneknock_hook_seconds',
        'What hooks took to open, close and cut.',
        this.#hooks.list(),
      ),
      counter('oneknock_hook_errors_total', 'What hooks could not do.', this.#hookErrors.list()),
      gauge('process_resident_memory_bytes', 'Resident memory.', process.memoryUsage.rss()),
      gauge(
        'process_start_time_seconds',
        'When it was started.',
        Math.round(Date.now() / 1000 - process.uptime()),
      ),
      counter('process_cpu_seconds_total', 'CPU time.', [[{}, cpuSeconds()]]),
    ])
  }
}

/** A value for each set of labels that has come up. */
class Tally<T> {
  readonly #values = new Map<string, readonly [Labels, T]>()
  readonly #initial: () => T

  constructor(initial: () => T) {
    this.#initial = initial
  }

  get(labels: Labels): T {
    const key = JSON.stringify(labels)
    const known = this.#values.get(key) ?? ([labels, this.#initial()] as const)
    this.#values.set(key, known)
    return known[1]
  }

  change(labels: Labels, to: (value: T) => T): void {
    this.#values.set(JSON.stringify(labels), [labels, to(this.get(labels))])
  }

  list(): (readonly [Labels, T])[] {
    return [...this.#values.values()]
  }
}

type Samples<T> = readonly (readonly [Labels, T])[]

const counter = (name: string, help: string, samples: Samples<number>): Metric => ({
  kind: 'counter',
  name,
  help,
  samples,
})

const gauge = (name: string, help: string, value: number): Metric => ({
  kind: 'gauge',
  name,
  help,
  samples: [[{}, value]],
})

const histogram = (name: string, help: string, samples: Samples<Histogram>): Metric => ({
  kind: 'histogram',
  name,
  help,
  samples,
})

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1e6
}
