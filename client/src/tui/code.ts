import { parseFactor, TOTP_STEP_MS } from '@oneknock/shared'
import type { Action } from './keys.ts'
import type { CodeScreen, State } from './state.ts'
import { goBack, knock, targetOf } from './steps.ts'

/** Longer than any code, as people space them. */
const TEXT_MAX = 80

export const stepOf = (now: number): number => Math.floor(now / TOTP_STEP_MS)

/** How long the authenticator shows its present code, milliseconds. */
export const codeLeft = (now: number): number => TOTP_STEP_MS - (now % TOTP_STEP_MS)

/** The server has seen the present code: another must be waited for. */
export const isCodeUsed = ({ usedSteps, now }: State, target: string): boolean =>
  usedSteps[target] === stepOf(now)

export function pressCode(state: State, screen: CodeScreen, action: Action): State {
  switch (action) {
    case 'erase':
      return edit(state, screen, screen.text.slice(0, -1))
    case 'clear':
      return edit(state, screen, '')
    case 'back':
      return goBack(state, screen.ask)
    case 'withoutCode':
      return knock(state, screen.ask, 'open', { kind: 'none' })
    case 'submit':
      return submit(state, screen)
    default:
      return state
  }
}

export const typeCode = (state: State, screen: CodeScreen, text: string): State =>
  edit(state, screen, (screen.text + text).slice(0, TEXT_MAX))

const edit = (state: State, screen: CodeScreen, text: string): State => ({
  ...state,
  screen: { ...screen, text, problem: undefined },
})

function submit(state: State, screen: CodeScreen): State {
  const { ask, text } = screen
  if (text.trim() === '' && targetOf(state, ask)?.givesCodes) {
    return knock(state, ask, 'open', { kind: 'own' })
  }
  const factor = parseFactor(text)
  return factor.ok
    ? knock(state, ask, 'open', { kind: 'typed', factor: factor.value })
    : { ...state, screen: { ...screen, problem: factor.error.message } }
}
