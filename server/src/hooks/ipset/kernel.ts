import type { Family, Network } from '@oneknock/shared'
import type { Flow, FlowElement, Flows, OpenElement } from '../guard/flows.ts'
import type { Filling, Guard, GuardKernel, Listing } from '../guard/kernel.ts'
import type { Zone } from '../guard/zones.ts'
import { rawTable } from './knock-rules.ts'
import { guardedPorts, parseContents, parseHeaders, parseTrial } from './listing.ts'
import { familiesHere, HOOK, type Programs } from './programs.ts'
import { mangleTable, type Table } from './rules.ts'
import { type Present, readTable, replaceScript } from './script.ts'
import {
  createLine,
  cutLine,
  cutLines,
  liveLine,
  openLine,
  sentinelLine,
  setsOf,
  swapLines,
  trialLines,
} from './sets.ts'
import { SetWriter } from './writer.ts'

const TABLES = ['mangle', 'raw'] as const

/** For `iptables-restore` of one family. */
interface Script {
  readonly family: Family
  readonly text: string
}

/**
 * The guard as ipset's sets and rules of iptables that look into them. It is not one transaction:
 * sets come before the rules that name them, and each table changes whole.
 */
export class IpsetKernel implements GuardKernel {
  readonly name = HOOK
  readonly #programs: Programs
  readonly #writer: SetWriter
  readonly #families: readonly Family[] = familiesHere()
  #zones: readonly Zone[]

  constructor(programs: Programs, zones: readonly Zone[]) {
    this.#programs = programs
    this.#writer = new SetWriter(programs)
    this.#zones = zones
  }

  async list(): Promise<Listing | undefined> {
    const names = await this.#sets()
    const rules = await this.#programs.save(4, 'mangle')
    if (names.length === 0 && readTable(rules).chains.length === 0) return undefined
    const saved = await this.#save(names)
    const trial = parseTrial(saved)
    const guarded = trial === 0 ? new Map() : guardedPorts(rules, this.#zones)
    return { ...parseContents(saved, this.#zones), trial, guarded }
  }

  async rules(): Promise<string | undefined> {
    const [headers, ...tables] = await Promise.all([
      this.#programs.headers(),
      ...this.#families.flatMap(family => TABLES.map(table => this.#present(family, table))),
    ])
    const sets = parseHeaders(headers).map(({ text }) => text)
    const texts = tables.map(({ text }) => text)
    if (sets.length === 0 && texts.every(text => text === '')) return undefined
    return [...sets.sort(), ...texts].join('\n')
  }

  async census(): Promise<(() => Flows) | undefined> {
    const saved = await this.#save(await this.#sets())
    const zones = this.#zones
    return () => parseContents(saved, zones)
  }

  async replace(guard: Guard, { open, live, cut, trial }: Filling): Promise<void> {
    const { zones } = guard
    const onTrial = trial !== undefined
    const sets = setsOf(guard, onTrial)
    const before = await this.#sets()
    await this.#programs.ipset(sets.map(createLine))
    let scripts: readonly Script[]
    try {
      scripts = await this.#scriptsFor(guard, onTrial)
    } catch (error) {
      const fresh = sets.filter(({ name }) => !before.includes(name))
      await this.#programs.ipset(fresh.map(({ name }) => `destroy ${name}`))
      throw error
    }
    await this.#programs.ipset([
      ...sets.flatMap(sentinelLine),
      ...cut.flatMap(cutLine),
      ...live.flatMap(liveLine),
      ...(onTrial ? trialLines(zones, trial) : []),
      ...swapLines(zones, open),
    ])
    for (const { family, text } of scripts) await this.#programs.restore(family, text)
    this.#zones = zones
    const wanted = new Set(sets.map(({ name }) => name))
    const stale = (await this.#sets()).filter(name => !wanted.has(name))
    await this.#programs.ipset(stale.map(name => `destroy ${name}`))
  }

  async fill(live: readonly FlowElement[]): Promise<void> {
    await this.#programs.ipset(live.flatMap(liveLine))
  }

  open(elements: readonly OpenElement[]): Promise<void> {
    return this.#writer.write(elements.map(openLine))
  }

  /** One set holds prefixes of all lengths. */
  declares(_zone: Zone, _network: Network): boolean {
    return true
  }

  async declare(): Promise<void> {}

  forget(doomed: readonly { readonly zone: Zone; readonly flow: Flow }[]): Promise<void> {
    return this.#writer.write(doomed.flatMap(({ zone, flow }) => cutLines(zone, flow)))
  }

  /** Nobody tells of rules that change: the heartbeat looks. */
  watch(): void {}

  async stop(): Promise<void> {
    await this.#writer.settled()
  }

  async #sets(): Promise<string[]> {
    return parseHeaders(await this.#programs.headers()).map(({ name }) => name)
  }

  #save(names: readonly string[]): Promise<string> {
    return this.#programs.ipset(names.map(name => `save ${name}`))
  }

  async #present(family: Family, table: string): Promise<Present> {
    return readTable(await this.#programs.save(family, table))
  }

  /** Whole or not at all: what would be refused is found before anything is changed. */
  async #scriptsFor(guard: Guard, onTrial: boolean): Promise<readonly Script[]> {
    const scripts = await Promise.all(
      this.#families.map(async family => {
        const tables = [mangleTable(guard, family, onTrial), rawTable(guard.spaPorts, family)]
        return { family, text: await this.#scriptFor(family, tables) }
      }),
    )
    for (const { family, text } of scripts) await this.#programs.test(family, text)
    return scripts
  }

  async #scriptFor(family: Family, tables: readonly Table[]): Promise<string> {
    const scripts = await Promise.all(
      tables.map(async table => replaceScript(table, await this.#present(family, table.name))),
    )
    return scripts.join('')
  }
}
