import { createInterface } from 'node:readline'
import { matchTotp, TOTP_STEP_MS, TOTP_WINDOW, totpCode, totpStep } from '@oneknock/shared'
import type { TotpFactor } from '../core/directory.ts'
import { Failure } from './failure.ts'
import { remark } from './output.ts'

/** Steps searched to either side when a code is not of now: an hour is a time zone set wrong. */
const SEARCHED = 130

type Confirmed = 'right' | 'skipped' | 'interrupted'

/** A person sits there who can be asked. */
export const canAsk = (): boolean => process.stdin.isTTY === true && process.stdout.isTTY === true

/** Goes on once the first code was right, or is put off; ends the command if nobody answers. */
export async function confirmed({ secret }: TotpFactor, otherwise: string): Promise<void> {
  switch (await confirmCode(secret)) {
    case 'right':
      return remark('The code is right: phone and clock agree.')
    case 'skipped':
      return remark('No code was tried; if the first knock is refused, look at the clocks.')
    case 'interrupted':
      throw new Failure(otherwise)
  }
}

/**
 * Asks for the first code until it is right, so that phone and clock are known to be. It opens
 * nothing and so it is not used up: whoever saw it here saw the secret as well.
 */
async function confirmCode(secret: Uint8Array): Promise<Confirmed> {
  const lines = createInterface({ input: process.stdin, output: process.stdout })
  try {
    for (;;) {
      const answer = await ask(lines, 'The code that the app shows now (empty: later): ')
      if (answer === undefined) {
        // The question's line is not ended yet.
        process.stdout.write('\n')
        return 'interrupted'
      }
      const code = answer.replaceAll(' ', '')
      if (code === '') return 'skipped'
      if (matchTotp(secret, code, Date.now()) >= 0) return 'right'
      process.stdout.write(`${whyNot(secret, code, Date.now())}\n`)
    }
  } finally {
    lines.close()
  }
}

function ask(lines: ReturnType<typeof createInterface>, question: string) {
  return new Promise<string | undefined>(resolve => {
    lines.once('close', () => resolve(undefined))
    lines.question(question, resolve)
  })
}

/** What is wrong with a code that is not of now. */
function whyNot(secret: Uint8Array, code: string, now: number): string {
  if (!/^\d{6}$/.test(code)) return 'A code is six digits.'
  const off = drift(secret, code, now)
  if (off === undefined) {
    return 'That is not its code: scan the picture above again, and read the entry that is new.'
  }
  const minutes = Math.max(1, Math.round(Math.abs(off) / 60_000))
  const which = off < 0 ? 'behind' : 'ahead of'
  return `That code is right for a clock ${minutes} min ${which} this server's: set both, see timedatectl.`
}

/** By how much the clock is off that this code is of, in milliseconds. */
function drift(secret: Uint8Array, code: string, now: number): number | undefined {
  const present = totpStep(now)
  for (let distance = TOTP_WINDOW + 1; distance <= SEARCHED; distance++) {
    for (const steps of [-distance, distance]) {
      if (totpCode(secret, present + steps) === code) return steps * TOTP_STEP_MS
    }
  }
  return undefined
}
