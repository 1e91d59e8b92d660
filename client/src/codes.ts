import { type Factor, fail, NO_FACTOR, ok, parseFactor, type Result } from '@oneknock/shared'
import { askPerson, type NoAnswer, printedBy, REACH, type Reach } from './asking.ts'

/** Where this knock's code comes from. */
export type CodeSource =
  | { readonly kind: 'given'; readonly code: string }
  | { readonly kind: 'typed'; readonly factor: Factor }
  | { readonly kind: 'command'; readonly command: string }
  /** An authenticator's secret, in base32. */
  | { readonly kind: 'secret'; readonly secret: string }
  | { readonly kind: 'ask' }
  | { readonly kind: 'none' }

/** What the flags say of codes; `otp: false` is `--no-otp`. */
export interface CodeFlags {
  readonly otp?: string | false
  readonly otpCommand?: string
}

/** Why there is no code: one line that never holds it. */
export interface CodeError {
  readonly code: 'not-a-code' | NoAnswer['code']
  readonly message: string
}

/** What the flags say wins over what the profile says; a person is asked when neither says anything. */
export function codeSource(
  flags: CodeFlags,
  profile: { readonly otpCommand?: string; readonly totpSecret?: string },
): CodeSource {
  if (flags.otp === false) return { kind: 'none' }
  if (flags.otp !== undefined) return { kind: 'given', code: flags.otp }
  const command = flags.otpCommand ?? profile.otpCommand
  if (command !== undefined) return { kind: 'command', command }
  const secret = profile.totpSecret
  return secret === undefined ? { kind: 'ask' } : { kind: 'secret', secret }
}

/** Whether it has another code by and by, without anybody being asked. */
export const isEndless = ({ kind }: CodeSource): boolean =>
  kind === 'command' || kind === 'secret' || kind === 'none'

export async function obtainFactor(
  source: CodeSource,
  target: string,
  reach: Reach = REACH,
): Promise<Result<Factor, CodeError>> {
  switch (source.kind) {
    case 'none':
      return ok(NO_FACTOR)
    case 'given':
      return parseFactor(source.code)
    case 'typed':
      return ok(source.factor)
    case 'command':
      return fromCommand(source.command, reach)
    case 'secret': {
      const { codeAt } = await import('./stored-secret.ts')
      return ok({ kind: 'totp', code: codeAt(source.secret, Date.now()) })
    }
    case 'ask':
      return fromPerson(target, reach)
  }
}

async function fromPerson(target: string, reach: Reach): Promise<Result<Factor, CodeError>> {
  const asked = await askPerson(
    {
      what: 'code',
      text: `Code for ${target}: `,
      echo: 'stars',
      otherwise: 'give --otp-command, or set SSH_ASKPASS',
    },
    reach,
  )
  return asked.ok ? parseFactor(asked.value) : asked
}

async function fromCommand(command: string, reach: Reach): Promise<Result<Factor, CodeError>> {
  const printed = await printedBy('the code command', ['/bin/sh', '-c', command], reach)
  if (!printed.ok) return printed
  const factor = parseFactor(printed.value)
  if (factor.ok) return factor
  const message = `the code command printed no code: ${factor.error.message}`
  return fail({ code: 'command-failed', message })
}
