/** What there is to say about the guard, for the log and the ledger. */
export type GuardEvent =
  /** `adopted`: a table of an earlier run was there, and who was in is still in. */
  | {
      readonly kind: 'guard-up'
      readonly adopted: boolean
      readonly openings: number
      readonly flows: number
    }
  /** Guarded ports are open again after so many seconds, unless somebody says that all is well. */
  | { readonly kind: 'guard-on-trial'; readonly seconds: number }
  /** A trial ran out: nothing is guarded any more. */
  | { readonly kind: 'guard-let-go' }
  /** Somebody took the table away or changed its rules. It is put back at once. */
  | { readonly kind: 'guard-lost'; readonly found: 'nothing' | 'other rules' }
  | { readonly kind: 'guard-restored'; readonly openings: number; readonly flows: number }
  /** It could not be put back. The next heartbeat tries again. */
  | { readonly kind: 'guard-down'; readonly message: string }
  /** The heartbeat could not see whether the guard is there. */
  | { readonly kind: 'guard-unseen'; readonly message: string }
  /** A long-lived nft process ended or hung; another takes its place. */
  | { readonly kind: 'child-died'; readonly message: string }
  /** This nft has no interactive mode, or does not get that far: one process for each command. */
  | { readonly kind: 'one-shot'; readonly message: string }
  /** The flows of a cut were forgotten, but local sockets could not be reset. */
  | { readonly kind: 'sockets-kept'; readonly message: string }

export type Report = (event: GuardEvent) => void
