import { type Factor, fail, NO_FACTOR, ok, type Result } from '@oneknock/shared'
import { parseFactor } from './factor.ts'

/** Where this knock's code comes from. */
export type CodeSource =
  | { readonly kind: 'given'; readonly code: string }
  | { readonly kind: 'command'; readonly command: string }
  | { readonly kind: 'ask' }
  | { readonly kind: 'none' }

/** Why there is no code: one line that never holds it. */
export interface CodeError {
  readonly code: 'not-a-code' | 'command-failed' | 'nobody-to-ask' | 'interrupted'
  readonly message: string
}

/** A command may wait for a passphrase, or for a key to be touched. */
export const COMMAND_MS = 60_000

/** What the flags say wins over what the profile says; a person is asked when neither says anything. */
export function codeSource(
  flags: { readonly otp?: string | false; readonly otpCommand?: string },
  profile: { readonly otpCommand?: string },
): CodeSource {
  if (flags.otp === false) return { kind: 'none' }
  if (flags.otp !== undefined) return { kind: 'given', code: flags.otp }
  const command = flags.otpCommand ?? profile.otpCommand
  return command === undefined ? { kind: 'ask' } : { kind: 'command', command }
}

export async function obtainFactor(
  source: CodeSource,
  target: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<Result<Factor, CodeError>> {
  switch (source.kind) {
    case 'none':
      return ok(NO_FACTOR)
    case 'given':
      return parseFactor(source.code)
    case 'command':
      return fromProgram('the code command', ['/bin/sh', '-c', source.command])
    case 'ask':
      return fromPerson(`Code for ${target}: `, env)
  }
}

async function fromPerson(
  question: string,
  env: NodeJS.ProcessEnv,
): Promise<Result<Factor, CodeError>> {
  const { askTerminal } = await import('./terminal.ts')
  const asked = await askTerminal(question, 'stars')
  if (asked.ok) return parseFactor(asked.value)
  if (asked.error === 'interrupted') {
    return fail({ code: 'interrupted', message: 'no code was given; nothing was sent' })
  }
  if (env.SSH_ASKPASS) return fromProgram('SSH_ASKPASS', [env.SSH_ASKPASS, question])
  const message =
    'a code is needed, and there is no terminal to ask on: give --otp-command, or set SSH_ASKPASS'
  return fail({ code: 'nobody-to-ask', message })
}

async function fromProgram(
  name: string,
  [file, ...args]: readonly [string, ...string[]],
): Promise<Result<Factor, CodeError>> {
  const { capture } = await import('./capture.ts')
  const printed = await capture(file, args, COMMAND_MS)
  if (!printed.ok) {
    return fail({ code: 'command-failed', message: `${name} ${printed.error}; nothing was sent` })
  }
  const factor = parseFactor(printed.value)
  if (factor.ok) return factor
  const message = `${name} printed no code: ${factor.error.message}`
  return fail({ code: 'command-failed', message })
}
