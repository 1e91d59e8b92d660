/** `unknown`: it could not be looked at. */
export type State = 'fine' | 'warning' | 'problem' | 'unknown'

/** One thing that was looked at. */
export interface Finding {
  readonly check: string
  readonly state: State
  readonly found: string
  /** What to do; absent where there is nothing to do. */
  readonly remedy?: string
}

export const fine = (check: string, found: string): Finding => ({ check, state: 'fine', found })

export const finding = (
  check: string,
  state: Exclude<State, 'fine'>,
  found: string,
  remedy: string,
): Finding => ({ check, state, found, remedy })
