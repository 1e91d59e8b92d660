import { familyOf, familyPrefix, type Network } from '@oneknock/shared'
import type { Flow, FlowElement, Flows, OpenElement } from '../guard/flows.ts'
import type { Filling, Guard, GuardKernel, Listing } from '../guard/kernel.ts'
import { portsOf, SINGLE, type Zone } from '../guard/zones.ts'
import { cutCommands, fillCommands, openSet } from './elements.ts'
import { remembered } from './leads.ts'
import { parseListing, skeleton } from './listing.ts'
import { type NftRunner, printTable } from './nft.ts'
import { lentOf, renderCommand } from './ruleset.ts'
import { renewCommand } from './trial.ts'
import { declareCommand } from './zone-chains.ts'

/** The guard as one table of nftables, which is replaced in one transaction. */
export class NftKernel implements GuardKernel {
  readonly name = 'nftables'
  readonly #nft: NftRunner
  /** Names of sets for prefixes other than single addresses. */
  #declared: ReadonlySet<string> = new Set()

  constructor(nft: NftRunner) {
    this.#nft = nft
  }

  async list(): Promise<Listing | undefined> {
    const text = await this.#printAll()
    return text === undefined ? undefined : parseListing(text)
  }

  async rules(): Promise<string | undefined> {
    const text = await printTable(command => this.#nft.read(command))
    return text === undefined ? undefined : skeleton(text)
  }

  async census(): Promise<(() => Flows) | undefined> {
    const text = await this.#printAll()
    return text === undefined ? undefined : () => parseListing(text)
  }

  async replace(guard: Guard, { open, trial, ...flows }: Filling): Promise<void> {
    const declared = new Set(open.map(({ zone, network }) => openSet(zone, network)))
    const filling = { declared, commands: fillCommands(open, flows), trial }
    await this.#nft.write(renderCommand(guard, filling))
    this.#declared = declared
  }

  async renew(guard: Guard): Promise<void> {
    const lent = lentOf(guard)
    const ports = portsOf(guard.zones)
    if (lent && ports.length > 0) await this.#nft.write(renewCommand(lent, ports))
  }

  async fill(live: readonly FlowElement[]): Promise<void> {
    for (const command of fillCommands([], { live })) await this.#nft.write(command)
  }

  open(elements: readonly OpenElement[], fresh: boolean): Promise<void> {
    return this.#nft.open(elements, fresh)
  }

  declares(zone: Zone, network: Network): boolean {
    if (familyPrefix(network) === SINGLE[familyOf(network.address)]) return true
    return this.#declared.has(openSet(zone.name, network))
  }

  async declare(zone: Zone, network: Network): Promise<void> {
    const command = declareCommand(zone, familyOf(network.address), familyPrefix(network))
    await this.#nft.write(command)
    this.#declared = new Set([...this.#declared, openSet(zone.name, network)])
  }

  async forget(doomed: readonly { readonly zone: Zone; readonly flow: Flow }[]): Promise<void> {
    const cut = doomed.map(({ zone, flow }) => ({
      zone: zone.name,
      flow,
      remembered: remembered(zone, flow),
    }))
    for (const command of cutCommands(cut)) await this.#nft.write(command)
  }

  watch(heard: () => void): void {
    this.#nft.watch(heard)
  }

  stop(): Promise<void> {
    return this.#nft.stop()
  }

  #printAll(): Promise<string | undefined> {
    return printTable(command => this.#nft.readAll(command))
  }
}
