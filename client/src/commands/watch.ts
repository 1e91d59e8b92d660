import { networkInterfaces } from 'node:os'
import type { Address } from '@oneknock/shared'
import { systemClock } from '../clock.ts'
import { isEndless } from '../codes.ts'
import { formatDuration } from '../duration.ts'
import { EXIT, type Exit, Failure } from '../exit.ts'
import { closeOnce, type Knocker, knockOnce } from '../knocker.ts'
import type { KnockResult } from '../outcome.ts'
import { isUnread, sayJson, warn } from '../output.ts'
import { clockWarning, jsonReport, report } from '../report.ts'
import { type Happening, watch } from '../watch.ts'
import { waysTo } from '../whereabouts.ts'
import { type KnockerFlags, passageTo } from './knocker.ts'
import { tell } from './tell.ts'

export interface WatchFlags extends KnockerFlags {
  readonly close?: boolean
}

const ENDS: readonly NodeJS.Signals[] = ['SIGINT', 'SIGTERM', 'SIGHUP']

/** Keeps a door open, wherever this machine goes, until a signal or a refusal that stays. */
export async function watchCommand(
  name: string,
  services: readonly string[],
  flags: WatchFlags,
): Promise<Exit> {
  const base = await passageTo(name, services, flags).knocker()
  if (!isEndless(base.source)) {
    throw new Failure(
      EXIT.usage,
      `--watch needs a code again and again: give --otp-command, or add ${name} with one`,
    )
  }
  const stopping = new AbortController()
  for (const signal of ENDS) process.once(signal, () => stopping.abort())
  const { signal } = stopping
  const { knocker, whereabouts } = follow({ ...base, options: { ...base.options, signal } })
  const say = teller(base, flags.json === true)
  const on = (happening: Happening) => {
    say(happening)
    if (isUnread()) stopping.abort()
  }
  const end = await watch({ knock: () => knockOnce(knocker), whereabouts, on, signal }, systemClock)
  if (flags.close) await closeAtTheEnd(base, flags.json === true)
  return end.kind === 'stopped' ? EXIT.opened : report(end.result, placeOf(base)).exit
}

/** Learns from the knocks which servers there are, and says where this machine is as they see it. */
function follow(base: Knocker) {
  let servers: Address[] = []
  const knocker: Knocker = {
    ...base,
    on: event => {
      if (event.type === 'resolving') servers = []
      if (event.type === 'route') servers.push(event.server)
      base.on(event)
    },
  }
  const whereabouts = async () => {
    // A name that could not be resolved: by what addresses it has, this machine is somewhere else.
    if (servers.length === 0) return ownAddresses().join(' ') || undefined
    const ways = await waysTo(servers, base.profile.port)
    return ways.some(({ own }) => own !== null) ? JSON.stringify(ways) : undefined
  }
  return { knocker, whereabouts }
}

const ownAddresses = (): string[] =>
  Object.values(networkInterfaces())
    .flatMap(entries => entries ?? [])
    .filter(({ internal }) => !internal)
    .map(({ address }) => address)

const placeOf = ({ name, profile: { host, port } }: Knocker) =>
  ({ name, host, port, verb: 'open' }) as const

const teller =
  (knocker: Knocker, isJson: boolean) =>
  (happening: Happening): void => {
    switch (happening.type) {
      case 'knocked':
        tellResult(knocker, happening.result, isJson)
        break
      case 'no-code':
        warn(happening.error.message)
        break
      case 'moved':
        if (isJson) sayJson({ target: knocker.name, status: 'moved' })
        else warn('this machine has another address: knocking again')
        break
      case 'waiting': {
        const time = formatDuration(Math.ceil(happening.ms / 1000))
        warn(`trying again in ${time}, or when the address changes`)
      }
    }
  }

function tellResult(knocker: Knocker, result: KnockResult, isJson: boolean): void {
  const warning = clockWarning(result)
  if (warning) warn(`warning: ${warning}`)
  const place = placeOf(knocker)
  tell({ ...report(result, place), json: jsonReport(result, place) }, isJson)
}

async function closeAtTheEnd(knocker: Knocker, isJson: boolean): Promise<void> {
  const result = await closeOnce(knocker)
  const place = { ...placeOf(knocker), verb: 'close' } as const
  tell({ ...report(result, place), json: jsonReport(result, place) }, isJson)
}
