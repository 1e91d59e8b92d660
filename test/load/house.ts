import { readdirSync, readFileSync } from 'node:fs'
import type { Address } from '@oneknock/shared'
import type { Event } from '../../server/src/core/events.ts'
import { systemFiles } from '../../server/src/ledger/files.ts'
import { readEntries } from '../../server/src/ledger/read.ts'
import { Knocker } from '../daemon/knocker.ts'
import { seal } from '../daemon/packets.ts'
import { person } from '../daemon/people.ts'
import { Site } from '../daemon/site.ts'
import { until } from '../server/kit.ts'

export interface HouseOptions {
  /** The daemon as one file. */
  readonly program: string
  readonly grants: number
  /** Ports in the kernel's firewall instead of a gate: needs root, and a namespace of its own. */
  readonly nftables: boolean
  /** How long the first grant lasts at least, in seconds: until then all have to be there. */
  readonly lifetime: number
}

export interface HouseFigures {
  /** Resident memory with nobody in and with everybody, in MiB. */
  readonly empty: number
  readonly full: number
  /** Milliseconds until a daemon that was killed is ready again, with everybody in. */
  readonly restart: number
  /** Of that, the milliseconds in which it had a processor. */
  readonly restartCpu: number
  /** How late the ends of grants were noticed, in milliseconds: the median and the latest. */
  readonly late: { readonly median: number; readonly most: number }
  /** Processes that were started while they ended. */
  readonly forked: number
  /** Resident memory with everybody gone, in MiB. */
  readonly after: number
}

/** A device may send so many at once. */
const BURST = 20
/** Which of them a reply answers is found by trying: more would only keep us busy. */
const IN_FLIGHT = 8
const ANSWER_MS = 20_000
/** The ends are spread over so many seconds. */
const SPREAD = 1

/** A house full of guests, each let in by a knock of their own, through a crash and until all are out. */
export async function fullHouse(options: HouseOptions): Promise<HouseFigures> {
  const { program, grants, nftables, lifetime } = options
  const people = Array.from({ length: Math.ceil(grants / BURST) }, (_, i) =>
    person(`guest-${i}`, { services: ['house'], otherAddress: true }),
  )
  const site = new Site({ program, people, config: at => configuration(at, nftables) })
  try {
    await site.start()
    const knocker = await Knocker.at('127.5.5.5', site)
    const empty = await memoryOf(site)
    const began = Date.now()
    let sent = 0
    const sendAll = async () => {
      for (let number = sent++; number < grants; number = sent++) {
        const packet = seal(people[Math.floor(number / BURST)]!.devices[0]!, {
          services: ['house'],
          address: addressOf(number),
          // They end at about the same time, however long it took to let them all in.
          lifetime: lifetime - Math.floor((Date.now() - began) / 1000) + (number % SPREAD),
        })
        const reply = await knocker.ask(packet, ANSWER_MS)
        knocker.forget(packet)
        if (reply?.status !== 'opened') throw new Error(`guest ${number}: ${reply?.reason}`)
      }
    }
    await Promise.all(Array.from({ length: IN_FLIGHT }, sendAll))
    const full = await memoryOf(site)

    await site.end('SIGKILL')
    const killed = performance.now()
    await site.start()
    const restart = Math.round(performance.now() - killed)
    const restartCpu = cpuOf(site.pid)
    const held = await site.ask<readonly unknown[]>({ command: 'grants' })
    if (held.length !== grants) throw new Error(`of ${grants} grants ${held.length} are left`)

    const before = processesOf(site.pid)
    await until(
      () => site.ask<{ grants: number; closing: number }>({ command: 'status' }),
      status => status.grants + status.closing === 0,
      (lifetime + SPREAD) * 1000 + ANSWER_MS,
    )
    const forked = changed(before, processesOf(site.pid))
    const after = await memoryOf(site)
    knocker.close()
    await site.end()
    return { empty, full, restart, restartCpu, late: await lateness(site, grants), forked, after }
  } finally {
    await site.destroy()
  }
}

const configuration = (site: Site, nftables: boolean): string => `
[firewall]
backend = "${nftables ? 'nftables' : 'gate'}"
[services.house]
factor = "none"
max_lifetime = "1h"
${nftables ? 'ports = ["tcp/1001"]' : `gate = { listen = "${site.address(8443)}", forward = "${site.address(80)}" }`}
`

const addressOf = (number: number): Address => `198.18.${number >> 8}.${number & 255}` as Address

const memoryOf = async (site: Site): Promise<number> => {
  const { rss_bytes } = await site.ask<{ rss_bytes: number }>({ command: 'status' })
  return Math.round(rss_bytes / 2 ** 20)
}

interface Processes {
  readonly children: readonly string[]
  /** Page faults of children that ended: whoever was ever started had some (proc(5), cminflt). */
  readonly faultsOfEnded: string
}

function processesOf(pid: number): Processes {
  const children = readdirSync(`/proc/${pid}/task`).flatMap(task =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  )
  return { children, faultsOfEnded: statOf(pid)[8]! }
}

/** The fields behind the program's name (proc(5), stat). */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** In user and kernel mode, counted in hundredths of a second. */
const cpuOf = (pid: number): number => 10 * (Number(statOf(pid)[11]) + Number(statOf(pid)[12]))

/** At least so many processes were started in between. */
function changed(before: Processes, after: Processes): number {
  const fresh = after.children.filter(child => !before.children.includes(child)).length
  return fresh + (before.faultsOfEnded === after.faultsOfEnded ? 0 : 1)
}

/** What the ledger says: when grants were to end, and when they did. */
async function lateness(site: Site, grants: number): Promise<HouseFigures['late']> {
  const until = new Map<string, number>()
  const lates: number[] = []
  for await (const entry of readEntries<Event>(site.ledger, systemFiles)) {
    if (!entry.ok) throw new Error(entry.error.message)
    const { event, at } = entry.value
    if (event.event === 'knock' && event.grant) until.set(event.grant.id, event.grant.until)
    if (event.event === 'ended') lates.push(at - until.get(event.grant)!)
  }
  if (lates.length !== grants) throw new Error(`of ${grants} grants ${lates.length} have ended`)
  lates.sort((a, b) => a - b)
  return { median: lates[Math.floor(lates.length / 2)]!, most: lates.at(-1)! }
}
