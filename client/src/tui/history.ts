import { type Ask, HISTORY_MAX, type Mood, type State } from './state.ts'

/** Puts down what happened now. */
export function record(state: State, ask: Ask, what: string, mood: Mood): State {
  const entry = { at: state.now, ask, what, mood }
  return { ...state, history: [...state.history, entry].slice(-HISTORY_MAX) }
}

/** `home`, or `home ssh wiki`. */
export const nameOf = ({ target, services }: Ask): string =>
  services.length === 0 ? target : `${target} ${services.join(' ')}`
