import { zonesOf } from './guard/zones.ts'
import { GuardHook, type GuardParts } from './guard.ts'
import { IpsetKernel } from './ipset/kernel.ts'
import { systemPrograms } from './ipset/programs.ts'

/** Guards with sets of ipset and chains of iptables, for hosts without nftables. */
export class IpsetHook extends GuardHook {
  readonly name = 'ipset'
  readonly #parts: GuardParts

  constructor(parts: GuardParts) {
    super(parts)
    this.#parts = parts
  }

  protected makeKernel(): IpsetKernel {
    return new IpsetKernel(systemPrograms, zonesOf(this.#parts.services))
  }
}
