import { appendFileSync, rmSync } from 'node:fs'
import type { Server } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { systemFiles } from '../../server/src/ledger/files.ts'
import { numberedFiles } from '../../server/src/ledger/folder.ts'
import { verifyLedger } from '../../server/src/ledger/read.ts'
import { person } from '../daemon/people.ts'
import { Site } from '../daemon/site.ts'
import { turns, until } from '../server/kit.ts'
import { checkDoors, checkGrants, replay, tryCodesAgain } from './checks.ts'
import { commandDoor, commandOf, type Door, gateDoor, greeter, kernelDoor } from './doors.ts'
import { Random } from './random.ts'
import { CODED, FREE, Traffic } from './traffic.ts'
import { type Party, Witness } from './witness.ts'

export interface CrashOptions {
  /** The daemon as one file. */
  readonly program: string
  readonly kills: number
  readonly seed: number
  /** Ports in the kernel's firewall as well: needs root, and a network namespace of its own. */
  readonly nftables?: boolean
  readonly onProgress?: (figures: Figures) => void
}

export interface Figures {
  kills: number
  /** Of those, before the daemon was ready. */
  whileStarting: number
  packets: number
  opened: number
  replayed: number
  /** Milliseconds from the start of a process until it was ready. */
  readonly starts: number[]
  /** How late the latest command closed, in milliseconds. */
  latestCommand: number
  readonly violations: readonly string[]
}

const PARTIES = 24
const CODES_EACH = 10
/** One in so many lives ends before the daemon is ready, and one in so many lasts for seconds. */
const STARTING_SHARE = 0.3
const LONG_SHARE = 0.05
const LONG_MS = 3_000
const SHORT_MS = 250
/** Verifying reads all files, and each life leaves one; some are archived now and then. */
const VERIFY_EVERY = 10
const FILES_KEPT = 3

/** Kills the daemon at random instants, and holds it after each start to what its clients saw. */
export async function crash(options: CrashOptions): Promise<Figures> {
  const run = new Run(options)
  try {
    await run.prepare()
    for (let kill = 0; kill < options.kills && run.figures.violations.length === 0; kill++) {
      await run.life()
      options.onProgress?.(run.figures)
    }
    if (run.figures.violations.length === 0) await run.finish()
    return run.figures
  } finally {
    await run.destroy()
  }
}

class Run {
  readonly figures: Figures
  readonly #random: Random
  readonly #witness: Witness
  readonly #site: Site
  readonly #doors: readonly Door[]
  #traffic: Traffic[] = []
  #greeter: Server | undefined

  constructor({ program, seed, nftables = false }: CrashOptions) {
    this.#random = new Random(seed)
    const parties = Array.from({ length: PARTIES }, (_, i) => newParty(i))
    this.#witness = new Witness(parties)
    const people = parties.map(party => party.person)
    this.#site = new Site({ program, people, config: site => configuration(site, nftables) })
    const site = this.#site
    this.#doors = [
      gateDoor('web', { host: site.host, port: PORTS.web }),
      gateDoor('free', { host: site.host, port: PORTS.free }),
      commandDoor('job', commandsOf(site)),
      commandDoor('task', commandsOf(site)),
      ...(nftables ? ['web', 'free'].map(name => kernelDoor(name, KERNEL_PORTS[name]!)) : []),
    ]
    this.figures = {
      kills: 0,
      whileStarting: 0,
      packets: 0,
      opened: 0,
      replayed: 0,
      starts: [],
      latestCommand: 0,
      violations: this.#witness.violations,
    }
  }

  async prepare(): Promise<void> {
    const { host } = this.#site
    this.#greeter = await greeter(host, PORTS.service)
    this.#traffic = await Promise.all(
      this.#witness.parties.map(party =>
        Traffic.of(party, this.#site, this.#witness, this.#random),
      ),
    )
  }

  /** One life of the daemon, from its start to its sudden end. */
  async life(): Promise<void> {
    const random = this.#random
    this.#site.spawn()
    if (random.happens(STARTING_SHARE) && this.figures.starts.length > 0) {
      const usual = this.figures.starts.at(-1)!
      await delay(random.next() * usual)
      if (!this.#site.said('ready')) this.figures.whileStarting++
    } else {
      await this.#becomeReady()
      await this.#check()
      await this.#knock()
    }
    await this.#kill()
    if (this.figures.kills % VERIFY_EVERY === 0) await this.#verify()
    this.#witness.forget(Date.now())
  }

  /** A last life that ends in an orderly way, with all doors closed. */
  async finish(): Promise<void> {
    this.#site.spawn()
    await this.#becomeReady()
    await this.#check()
    await Promise.all(this.#traffic.map(one => one.closeAll()))
    await until(
      () => this.#site.ask<unknown[]>({ command: 'grants' }),
      grants => grants.length === 0,
    )
    for (const { address } of this.#witness.parties) {
      for (const door of this.#doors) {
        await until(
          async () => {
            await door.look?.()
            return door.isOpen(address)
          },
          open => !open,
        )
      }
    }
    const status = await this.#site.end()
    if (status !== 0) this.#witness.violations.push(`it ended with status ${status}`)
    await this.#verify()
  }

  async destroy(): Promise<void> {
    for (const one of this.#traffic) one.destroy()
    this.#greeter?.close()
    await this.#site.destroy()
  }

  async #becomeReady(): Promise<void> {
    const started = performance.now()
    await this.#site.ready()
    this.figures.starts.push(performance.now() - started)
  }

  async #check(): Promise<void> {
    const site = this.#site
    const witness = this.#witness
    await checkGrants(site, witness)
    await this.#lookAtDoors()
    this.figures.replayed += await replay(site, witness, this.#traffic, this.#random)
    await Promise.all(this.#traffic.map(one => one.settle()))
    await tryCodesAgain(witness, name => this.#traffic[partyNumber(name)]!)
    this.#checkLog()
  }

  async #lookAtDoors(): Promise<void> {
    const late = await checkDoors(this.#witness, this.#doors, this.#random)
    this.figures.latestCommand = Math.max(this.figures.latestCommand, late)
  }

  /** Traffic until an instant that nobody can foresee. */
  async #knock(): Promise<void> {
    const random = this.#random
    for (const one of this.#traffic) void one.run()
    if (random.happens(LONG_SHARE)) {
      await delay(LONG_MS)
      await this.#lookAtDoors()
      return
    }
    await delay(random.next() * SHORT_MS)
    // Finer than timers are.
    const instant = performance.now() + random.next()
    while (performance.now() < instant);
  }

  async #kill(): Promise<void> {
    const ended = this.#site.end('SIGKILL')
    await ended
    // What it had sent by then is in our sockets.
    await turns()
    await turns()
    for (const one of this.#traffic) one.end()
    this.#checkLog()
    this.figures.kills++
    this.figures.packets = this.#witness.packets
    this.figures.opened = this.#witness.opened
  }

  /** Nothing that we do is an error to the daemon. */
  #checkLog(): void {
    const error = this.#site.log.find(({ level }) => level >= 50)
    if (error) this.#witness.violations.push(`it complained: ${JSON.stringify(error)}`)
  }

  async #verify(): Promise<void> {
    const { ledger } = this.#site
    const verified = await verifyLedger(ledger, systemFiles)
    if (!verified.ok) this.#witness.violations.push(verified.error.message)
    const files = await numberedFiles(systemFiles, ledger)
    for (const { name } of files.slice(0, -FILES_KEPT)) rmSync(join(ledger, name))
  }
}

const PORTS = { web: 8443, free: 8444, service: 80 } as const
const KERNEL_PORTS: Readonly<Record<string, number>> = { web: 1001, free: 1002 }

const commandsOf = ({ folder }: Site): string => join(folder, 'commands')

const newParty = (number: number): Party => ({
  person: person(`person-${number}`, { services: [...FREE, ...CODED], codes: CODES_EACH }),
  // Every third one shares an address with the one before, as behind one router.
  address: `127.7.7.${number % 3 === 2 ? number : number + 1}`,
  opens: [],
  closes: [],
})

const partyNumber = (name: string): number => Number(name.split('-')[1])

function configuration(site: Site, nftables: boolean): string {
  appendFileSync(commandsOf(site), '')
  const command = commandOf(commandsOf(site))
  const forward = site.address(PORTS.service)
  const gated = (name: 'web' | 'free') => `
[services.${name}]
max_lifetime = "1h"
gate = { listen = "${site.address(PORTS[name])}", forward = "${forward}" }
${nftables ? `ports = ["tcp/${KERNEL_PORTS[name]}"]` : ''}
`
  const commanded = (name: string) => `
[services.${name}]
max_lifetime = "1h"
exec = { open = ${command}, close = ${command} }
`
  const free = 'factor = "none"\n'
  return [
    `[firewall]\nbackend = "${nftables ? 'nftables' : 'gate'}"\n`,
    gated('web'),
    gated('free') + free,
    commanded('job'),
    commanded('task') + free,
  ].join('')
}
