import { closeSync, openSync, readSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { setTimeout as wait } from 'node:timers/promises'
import {
  ADDRESS_BYTES,
  type Address,
  fromHex,
  parseAddress,
  readAddress,
  scopeOf,
} from '@oneknock/shared'
import type { Clock } from './core/clock.ts'

/** What is read at once: 500 routes, a few milliseconds. Nearly everybody has fewer. */
const HEAD_BYTES = 64 * 1024
/** Milliseconds after each such piece of a longer table, which nobody is to notice. */
const PAUSE_MS = 5
/** A million routes take the kernel ten seconds to tell: no more than this part of the time goes there. */
const SHARE = 1 / 20

interface Table {
  readonly file: string
  /** Of the next hop. */
  readonly column: number
  readonly parse: (hex: string) => Address | undefined
}

const TABLES: readonly Table[] = [
  { file: '/proc/net/route', column: 2, parse: ipv4FromRoute },
  { file: '/proc/net/ipv6_route', column: 4, parse: ipv6FromRoute },
]

/**
 * The next hops of this host's routes; none where the kernel does not tell them this way. Of a long table
 * the beginning, with the default route, is of now, and the rest is as it was read last.
 */
export class Gateways {
  readonly #clock: Clock
  #ofRest: readonly Address[] = []
  #reading: Promise<void> | undefined
  #readAgainAt = Number.NEGATIVE_INFINITY

  constructor(clock: Clock) {
    this.#clock = clock
    this.list()
  }

  list(): Address[] {
    const found = new NextHops()
    let isWhole = true
    for (const table of TABLES) {
      const head = readHead(table.file)
      found.add(table, head)
      isWhole &&= head.length < HEAD_BYTES
    }
    if (!isWhole) this.#readOn()
    return [...found.list(), ...this.#ofRest]
  }

  /** Done when what is being read has been. */
  async settled(): Promise<void> {
    await this.#reading
  }

  #readOn(): void {
    const began = this.#clock.monotonic()
    if (this.#reading || began < this.#readAgainAt) return
    this.#reading = readWhole().then(found => {
      this.#ofRest = found
      const now = this.#clock.monotonic()
      this.#readAgainAt = now + (now - began) / SHARE
      this.#reading = undefined
    })
  }
}

/** Of many routes; there are only a few of them. */
class NextHops {
  readonly #tables = new Map<Table, Set<string>>()

  /** Takes in lines, but no last one that has no end. */
  add(table: Table, text: string): void {
    const seen = this.#tables.get(table) ?? new Set()
    this.#tables.set(table, seen)
    for (const line of text.split('\n').slice(0, -1)) {
      seen.add(line.trim().split(/\s+/)[table.column] ?? '')
    }
  }

  list(): Address[] {
    const found = [...this.#tables].flatMap(([{ parse }, hexes]) =>
      [...hexes].flatMap(hex => parse(hex) ?? []),
    )
    return found.filter(address => scopeOf(address) !== 'unspecified')
  }
}

/** The kernel gives no more than a page of it at a time. */
function readHead(file: string): string {
  const bytes = Buffer.alloc(HEAD_BYTES)
  let length = 0
  try {
    const descriptor = openSync(file, 'r')
    try {
      for (let read = -1; read !== 0; length += read) {
        read = readSync(descriptor, bytes, length, HEAD_BYTES - length, null)
      }
    } finally {
      closeSync(descriptor)
    }
  } catch {
    return ''
  }
  return bytes.toString('latin1', 0, length)
}

/** All tables, a piece at a time. */
async function readWhole(): Promise<Address[]> {
  const found = new NextHops()
  for (const table of TABLES) {
    let begun = ''
    for await (const piece of piecesOf(table.file)) {
      const text = begun + piece
      const end = text.lastIndexOf('\n') + 1
      found.add(table, text.slice(0, end))
      begun = text.slice(end)
    }
  }
  return found.list()
}

/** What cannot be read has none. A process that is to end does not wait in here. */
async function* piecesOf(file: string): AsyncGenerator<string> {
  const handle = await open(file).catch(() => undefined)
  if (!handle) return
  const bytes = Buffer.alloc(HEAD_BYTES)
  try {
    for (let length = 0; ; ) {
      const { bytesRead } = await handle.read(bytes, length, HEAD_BYTES - length, null)
      length += bytesRead
      if (bytesRead > 0 && length < HEAD_BYTES) continue
      yield bytes.toString('latin1', 0, length)
      if (bytesRead === 0) return
      length = 0
      await wait(PAUSE_MS, undefined, { ref: false })
    }
  } catch {
    // What was told until then is all there is.
  } finally {
    await handle.close()
  }
}

/** Eight hexadecimal digits of a number in the machine's byte order: little-endian wherever Node runs. */
function ipv4FromRoute(hex: string): Address | undefined {
  const bytes = fromHex(hex)
  return bytes?.length === 4 ? parseAddress([...bytes].reverse().join('.')) : undefined
}

function ipv6FromRoute(hex: string): Address | undefined {
  const bytes = fromHex(hex)
  return bytes?.length === ADDRESS_BYTES ? readAddress(bytes, 0) : undefined
}
