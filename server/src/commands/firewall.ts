import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { type GuardView, isoTime } from '../administration/views.ts'
import {
  GUARD_KINDS,
  type GuardKind,
  isGuardKind,
  otherKind,
  putUp,
  renderGuard,
  takeAway,
  takeFormerAway,
} from '../compose/guard.ts'
import { ownCommand } from '../config/command.ts'
import { formatDuration, parseDuration } from '../config/duration.ts'
import { type Config, loadConfig } from '../config.ts'
import { HookError } from '../hooks/hook.ts'
import { removeFile, replaceFile } from '../users/store.ts'
import { ask, askPatiently } from './ask.ts'
import { configFailure, Failure } from './failure.ts'
import { print, printJson, remark } from './output.ts'

export interface FirewallOptions {
  readonly config: string
  readonly json?: boolean
}

/** Below this nobody has time to knock; above it nobody remembers that it was a trial. */
const TRIAL_MIN = 5_000
const TRIAL_MAX = 24 * 3600_000

/** The rules that the configuration leads to, as the boot unit loads them. Needs no rights. */
export async function show(options: FirewallOptions): Promise<number> {
  print(renderGuard(await guardedConfig(options.config)))
  return 0
}

/** Puts the guard up for good, or ends its trial, and saves it for the next boot. */
export async function apply(options: FirewallOptions): Promise<number> {
  const config = await guardedConfig(options.config)
  const running = await askPatiently(config.state, { command: 'firewall', action: 'apply' })
  if (running === undefined) await inWords(putUp(config, 'for good'))
  const file = bootFile(config)
  await replaceFile(file, async () => renderGuard(config))
  // What another backend left would keep its ports closed, and nobody would open them.
  const { former } = bootFiles(config)
  if (existsSync(former)) await removeFile(former)
  await inWords(takeFormerAway(otherKind(config.firewall.backend)))
  if (options.json) printJson({ guard: 'for good', saved: file })
  else print(`The guard stands for good, and is saved for the next boot in ${file}.\n`)
  if (running === undefined) remark('No daemon runs, so nobody is let in before one does.')
  return 0
}

/** Puts the guard up for a while: it lets go by itself unless `apply` is run meanwhile. */
export async function tryOut(text: string, options: FirewallOptions): Promise<number> {
  const ms = parseDuration(text)
  if (ms === undefined || ms < TRIAL_MIN || ms > TRIAL_MAX) {
    const range = `"${formatDuration(TRIAL_MIN)}" to "${formatDuration(TRIAL_MAX)}"`
    throw new Failure(`${JSON.stringify(text)}: write for how long, from ${range}, such as 5m`)
  }
  const config = await guardedConfig(options.config)
  const answer = await askPatiently(config.state, { command: 'firewall', action: 'try', ms })
  if (answer === undefined) await inWords(putUp(config, ms))
  const until = (answer as GuardView | undefined)?.until ?? isoTime(Date.now() + ms)
  if (options.json) printJson({ guard: 'on trial', until })
  else {
    print(`The guard is on trial until ${until}. Then it lets go by itself, whatever runs or does not.

${answer === undefined ? '  Start the daemon: it goes on with the trial.\n' : ''}  Knock, and see that you get in. Then: ${ownCommand('firewall apply')}
`)
  }
  return 0
}

/**
 * Takes the guard away, and what was saved for the next boot; with a backend that has none, what a
 * former one left.
 */
export async function remove(options: FirewallOptions): Promise<number> {
  const config = await anyConfig(options.config)
  const { backend } = config.firewall
  if (isGuardKind(backend) && (await ask(config.state, { command: 'status' })) !== undefined) {
    throw new Failure('the running daemon keeps the guard up; stop it first, then remove the guard')
  }
  let wasThere = false
  for (const kind of GUARD_KINDS) {
    const gone = kind === backend ? takeAway(kind) : takeFormerAway(kind)
    wasThere = (await inWords(gone)) || wasThere
  }
  const { current, former } = bootFiles(config)
  const saved = [current, former].filter(file => existsSync(file))
  for (const file of saved) await removeFile(file)
  if (options.json) printJson({ removed: wasThere, forgotten: saved.length > 0 })
  else print(wasThere ? 'The guard is gone: its ports are open.\n' : 'There was no guard.\n')
  return 0
}

type GuardedConfig = Config & { readonly firewall: { readonly backend: GuardKind } }

/** What the boot unit loads; it lies beside the configuration. */
export const bootFile = (config: Config): string => bootFiles(config).current

function bootFiles({ file, firewall: { backend } }: Config) {
  const [nft, sh] = ['guard.nft', 'guard.sh'].map(name => join(dirname(file), name)) as [
    string,
    string,
  ]
  return backend === 'ipset' ? { current: sh, former: nft } : { current: nft, former: sh }
}

/** As whoever runs the command, since the firewall is root's: root reads no file of anybody else. */
async function anyConfig(file: string): Promise<Config> {
  const config = await loadConfig(file)
  if (!config.ok) throw configFailure(config.error)
  return config.value
}

async function guardedConfig(file: string): Promise<GuardedConfig> {
  const config = await anyConfig(file)
  const { firewall } = config
  const { backend } = firewall
  if (isGuardKind(backend)) return { ...config, firewall: { ...firewall, backend } }
  throw new Failure(
    `there is no guard with firewall.backend = "${backend}"; write "nftables" there`,
  )
}

async function inWords<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw error instanceof HookError ? new Failure(error.message) : error
  }
}
