import { GuardHook, type GuardParts } from './guard.ts'
import { NftKernel } from './nftables/kernel.ts'
import { keptNft, type NftRunner } from './nftables/nft.ts'

export interface NftablesParts extends GuardParts {
  /** Children of its own, unless it is told otherwise. */
  readonly nft?: NftRunner
}

/** Guards with a table of its own, `inet oneknock`, and touches no other. */
export class NftablesHook extends GuardHook {
  readonly name = 'nftables'
  readonly #parts: NftablesParts

  constructor(parts: NftablesParts) {
    super(parts)
    this.#parts = parts
  }

  protected makeKernel(): NftKernel {
    const { nft, clock, report } = this.#parts
    return new NftKernel(nft ?? keptNft(clock, report))
  }
}
