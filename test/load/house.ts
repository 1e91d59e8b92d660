import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import type { Address } from '@oneknock/shared'
import type { Event } from '../../server/src/core/events.ts'
import { findProgram } from '../../server/src/hooks/guard/program.ts'
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
  /** Processes that were started while they ended, but for the guard's looks at who is live. */
  readonly forked: number
  /** Such looks meanwhile: one process each ten seconds, however many grants there are. */
  readonly looks: number
  /** Resident memory with everybody gone, in MiB. */
  readonly after: number
}

/** A device may send so many at once. */
const BURST = 20
/** Which of them a reply answers is found by trying: more would only keep us busy. */
const IN_FLIGHT = 4
/** A guard drops what is more than a thousand packets a second from one address. */
const SOURCES = ['127.5.5.5', '127.5.5.6']
const ANSWER_MS = 20_000
/** Between two questions whether all are out: the daemon is to be measured, not kept busy. */
const POLL_MS = 200
/** Milliseconds between the guard's looks at who is live. */
const LOOK_MS = 10_000

/** A house full of guests, each let in by a knock of their own, through a crash and until all are out. */
export async function fullHouse(options: HouseOptions): Promise<HouseFigures> {
  const { program, grants, nftables, lifetime } = options
  const people = Array.from({ length: Math.ceil(grants / BURST) }, (_, i) =>
    person(`guest-${i}`, { services: ['house'], otherAddress: true }),
  )
  const nft = nftables ? new Witness('nft') : undefined
  const wrap = nft ? ['env', `PATH=${nft.folder}:${process.env.PATH}`] : []
  const site = new Site({ program, people, config: at => configuration(at, nftables), wrap })
  try {
    await site.start()
    const knockers = await Promise.all(SOURCES.map(source => Knocker.at(source, site)))
    const empty = await memoryOf(site)
    const began = Date.now()
    let sent = 0
    const sendAll = async (knocker: Knocker) => {
      for (let number = sent++; number < grants; number = sent++) {
        const packet = seal(people[Math.floor(number / BURST)]!.devices[0]!, {
          services: ['house'],
          address: addressOf(number),
          // They end within one second, however long it took to let them all in.
          lifetime: lifetime - Math.floor((Date.now() - began) / 1000),
        })
        const reply = await knocker.ask(packet, ANSWER_MS)
        knocker.forget(packet)
        if (reply?.status !== 'opened') throw new Error(`guest ${number}: ${reply?.reason}`)
      }
    }
    const lanes = Array.from({ length: IN_FLIGHT }, () => knockers).flat()
    await Promise.all(lanes.map(sendAll))
    const full = await memoryOf(site)

    await site.end('SIGKILL')
    const killed = performance.now()
    await site.start()
    const restart = Math.round(performance.now() - killed)
    const restartCpu = cpuOf(site.pid)
    const held = await site.ask<readonly unknown[]>({ command: 'grants' })
    if (held.length !== grants) throw new Error(`of ${grants} grants ${held.length} are left`)

    const before = processesOf(site.pid)
    const startsBefore = nft?.starts().length
    const since = performance.now()
    await until(
      async () => {
        await setTimeout(POLL_MS)
        return site.ask<{ grants: number; closing: number }>({ command: 'status' })
      },
      status => status.grants + status.closing === 0,
      lifetime * 1000 + ANSWER_MS,
    )
    const starts = nft?.starts().slice(startsBefore) ?? []
    const looks = starts.filter(isLook).length
    const explained = nft ? Math.ceil((performance.now() - since) / LOOK_MS) : 0
    const forked =
      starts.length - Math.min(looks, explained) + changed(before, processesOf(site.pid), looks > 0)
    const after = await memoryOf(site)
    for (const knocker of knockers) knocker.close()
    await site.end()
    const late = await lateness(site, grants)
    return { empty, full, restart, restartCpu, late, forked, looks, after }
  } finally {
    await site.destroy()
    nft?.remove()
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

/** A program in front of the real one that writes down each start. */
class Witness {
  readonly folder = mkdtempSync(join(tmpdir(), 'oneknock-witness-'))
  readonly #log = join(this.folder, 'starts')

  constructor(name: string) {
    const script = `#!/bin/sh\necho "$*" >>${this.#log}\nexec ${findProgram(name)} "$@"\n`
    writeFileSync(join(this.folder, name), script, { mode: 0o755 })
    writeFileSync(this.#log, '')
  }

  /** The arguments of each start so far. */
  starts(): string[] {
    return readFileSync(this.#log, 'utf8').split('\n').filter(Boolean)
  }

  remove(): void {
    rmSync(this.folder, { recursive: true })
  }
}

/** Prints sets with all that is in them, which nothing but a look does (`nftables/nft.ts`). */
const isLook = (args: string): boolean => args === '--numeric-protocol -f -'

interface Processes {
  readonly children: readonly string[]
  /** Page faults of children that ended: whoever was ever started had some (proc(5), cminflt). */
  readonly faultsOfEnded: string
}

function processesOf(pid: number): Processes {
  const children = readdirSync(`/proc/${pid}/task`).flatMap(task =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  )
  // A look that is under way is counted by its start.
  const kept = children.filter(child => !isLook(argsOf(child)))
  return { children: kept, faultsOfEnded: statOf(pid)[8]! }
}

/** Empty if it has just ended. */
function argsOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1, -1).join(' ')
  } catch {
    return ''
  }
}

/** The fields behind the program's name (proc(5), stat). */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')
}

/** In user and kernel mode, counted in hundredths of a second. */
const cpuOf = (pid: number): number => 10 * (Number(statOf(pid)[11]) + Number(statOf(pid)[12]))

/** At least so many processes were started in between, `explained`: besides some that have ended. */
function changed(before: Processes, after: Processes, explained: boolean): number {
  const fresh = after.children.filter(child => !before.children.includes(child)).length
  return fresh + (explained || before.faultsOfEnded === after.faultsOfEnded ? 0 : 1)
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
