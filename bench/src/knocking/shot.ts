/** A packet that opens a door for the address it comes from, whichever program it is meant for. */
export interface Shot {
  readonly source: string
  readonly datagram: Uint8Array
}

/** Where shots go, and what they are to open. */
export interface Range {
  readonly host: string
  /** Where knocks are heard. */
  readonly port: number
  readonly door: Door
}

export interface Door {
  /** A service that answers every datagram, or one that greets every connection. */
  readonly protocol: 'udp' | 'tcp'
  readonly host: string
  readonly port: number
}
