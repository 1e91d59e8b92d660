import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { isName, KNOCK_ID_BYTES, parseAddress, toHex } from '@oneknock/shared'
import { judgeClaim } from '../core/claims.ts'
import { systemClock } from '../core/clock.ts'
import type { Directory, ValidationSettings } from '../core/directory.ts'
import type { KnockEvent } from '../core/events.ts'
import type { Circumstances } from '../core/judge.ts'
import type { Outcome } from '../core/knocks.ts'
import { claimOtp } from '../core/online.ts'
import type { State } from '../core/state.ts'
import { GRANT_ID_BYTES } from '../granting.ts'
import type { CredentialAttempt } from '../listeners/listener.ts'
import { AT_WORK, decideAlone } from '../recollect.ts'
import { readSecret } from '../secrets.ts'
import { loadUser } from '../users.ts'
import { validator } from '../validation/client.ts'
import { HERE, type Told, type Verification, verification, verified } from '../verifying.ts'
import { askPatiently } from './ask.ts'
import { askUnechoed, readInput } from './ask-secret.ts'
import { configFailure, Failure } from './failure.ts'
import { print, printJson, remark } from './output.ts'
import { becomeOwnerOf } from './owner.ts'
import { openSettings, openState } from './settings.ts'

export interface OtpOptions {
  readonly config: string
  readonly json?: boolean
  /** Where the person is, for the record. */
  readonly from?: string
  /** Take all of it from what pam_exec gives. */
  readonly pam?: boolean
}

/** How long to wait for others who verify at the same time without a daemon, and between two tries. */
const WAIT_MS = 10_000
const TRY_AGAIN_MS = 20

/** Status 0 if the code is this user's, of now, and was not used before; 1 whatever else there is. */
export async function verifyOtp(
  user: string | undefined,
  code: string | undefined,
  options: OtpOptions,
): Promise<number> {
  const told = options.pam
    ? await toldByPam(process.env)
    : await toldBy(user, code, options.from ?? HERE)
  const claim = verification(told)
  if (!claim.ok) throw new Failure(claim.error)
  const { reason, detail } = await verify(told, claim.value, options.config)
  const isRight = reason === 'none'
  const because = detail === '' ? reason : `${reason} (${detail})`
  if (options.json) printJson({ user: told.user, verified: isRight, reason, detail })
  else print(`${told.user}: ${isRight ? 'right' : because}\n`)
  return isRight ? 0 : 1
}

async function toldBy(
  user: string | undefined,
  code: string | undefined,
  source: string,
): Promise<Told> {
  if (user === undefined) throw new Failure('say whose code it is, such as: otp verify alice')
  if (!isName(user)) throw new Failure(`${JSON.stringify(user)} can be no user`)
  if (!parseAddress(source)) throw new Failure(`--from ${source}: write an address`)
  if (code === '-') return { user, source, code: await firstLine() }
  if (code === undefined) {
    const otherwise = 'give the code on standard input, and - for the code'
    return { user, source, code: await askUnechoed(`Code of ${user}: `, otherwise) }
  }
  // To a person; a program that does so knows, and its log needs no line for each call.
  if (process.stderr.isTTY) {
    remark('Others on this host can see the code in the list of processes; better leave it out.')
  }
  return { user, source, code }
}

/** pam_exec(8) with `expose_authtok`: names in the environment, the code on standard input. */
async function toldByPam(environment: NodeJS.ProcessEnv): Promise<Told> {
  const { PAM_TYPE, PAM_USER = '', PAM_RHOST = '' } = environment
  if (PAM_TYPE !== 'auth') throw new Failure('--pam is for pam_exec in an auth line')
  if (!isName(PAM_USER)) throw new Failure(`${JSON.stringify(PAM_USER)} can be no user`)
  // Often a name, or nothing: it is for the record alone.
  const source = parseAddress(PAM_RHOST) ? PAM_RHOST : HERE
  return { user: PAM_USER, source, code: await firstLine() }
}

const firstLine = async (): Promise<string> => (await readInput())[0]!

async function verify(told: Told, claim: CredentialAttempt, file: string): Promise<Verification> {
  const state = openState(file)
  const deadline = performance.now() + WAIT_MS
  for (;;) {
    const answer = await busyOr(askPatiently(state, { command: 'verify', ...told }))
    if (answer !== 'busy' && answer !== undefined) return answer as Verification
    const alone = answer === 'busy' ? answer : await verifyAlone(claim, file)
    if (alone !== 'busy') return alone
    if (performance.now() > deadline) throw new Failure(AT_WORK)
    await setTimeout(TRY_AGAIN_MS)
  }
}

/** Another command at work, or whoever listened there ends just now: a moment later it is known who is next. */
const COMING_AND_GOING = new RegExp(`^${AT_WORK}$|ECONNRESET|EPIPE|hung up`)

const busyOr = (asking: Promise<unknown>): Promise<unknown> =>
  asking.catch(error => {
    if (error instanceof Failure && COMING_AND_GOING.test(error.message)) return 'busy'
    throw error
  })

/** Without a daemon: on its ledger, in its place. */
async function verifyAlone(claim: CredentialAttempt, file: string): Promise<Verification | 'busy'> {
  const config = await openSettings(file)
  const user = await loadUser(config, claim.user)
  if (!user.ok && user.error[0]?.code !== 'absent') throw configFailure(user.error)
  const users: Directory['users'] = new Map(user.ok ? [[claim.user, user.value]] : [])
  becomeOwnerOf(config.state)
  mkdirSync(config.state, { recursive: true, mode: 0o700 })
  let outcome: Outcome | undefined
  const recorded = await decideAlone<KnockEvent | undefined>(
    config.state,
    config.freshness,
    async state => {
      const directory = { services: config.services, users }
      const judged = await judgeAlone(claim, directory, state, config.yubikey)
      outcome = 'event' in judged ? judged.outcome : judged
      return 'event' in judged ? judged : undefined
    },
  )
  if (recorded.ok) return verified(outcome!)
  const { error } = recorded
  const isOther = 'code' in error && (error.code === 'held' || error.code === 'another-daemon')
  if (isOther) return 'busy'
  throw new Failure(error.message)
}

const random = (bytes: number) => new Uint8Array(randomBytes(bytes))

async function judgeAlone(
  claim: CredentialAttempt,
  directory: Directory,
  state: State,
  yubikey: ValidationSettings | undefined,
): Promise<KnockEvent | Outcome> {
  const randomHex = (bytes: number) => toHex(random(bytes))
  const circumstances: Circumstances = {
    ...{ directory, state, now: systemClock.now(), newGrantId: () => randomHex(GRANT_ID_BYTES) },
    // Nothing is opened, so nobody's address is looked at, and nobody is asked.
    host: { isOwn: () => false, listensOnLoopback: false },
    newTokenHash: () => undefined,
  }
  const otp = claimOtp(claim, circumstances)
  const report = ({ server, why }: { server: string; why: string }) => remark(`${server} ${why}`)
  const validate = validator({ settings: () => yubikey, readSecret, random, report })
  const validation = otp === undefined ? undefined : await validate(otp)
  const source = parseAddress(claim.source)!
  const told = { ...claim, source, knockId: randomHex(KNOCK_ID_BYTES) }
  return judgeClaim(told, { ...circumstances, now: systemClock.now(), validation })
}
