/**
 * Sends packets from a file as fast as one process can. A socket handed over in `FLOOD_FD` cuts what
 * it is given into datagrams by itself (UDP segmentation offload): one call sends many.
 */
import { createSocket } from 'node:dgram'
import { readFileSync } from 'node:fs'
import { setTimeout as pause } from 'node:timers/promises'
import { PACKET_BYTES } from '@oneknock/shared'
import { serve } from './harness/serve.ts'

export interface FloodJob {
  readonly port: number
  readonly host: string
  readonly ms: number
  /** Packets, one after the other. */
  readonly file: string
  /** Packets a second; absent: as many as there can be. */
  readonly rate?: number
  /** The size of the file's packets, if not the protocol's. */
  readonly bytes?: number
  /** One by one, each cut to a length of its own. */
  readonly oddLengths?: boolean
}

export interface Flooded {
  readonly sent: number
  readonly ms: number
}

const handlers = {
  flood,
  /** Ends the flood under way. */
  enough(): void {
    until = 0
  },
}
export type Flood = typeof handlers

/** What the kernel takes as one call (UDP_MAX_SEGMENTS). */
const SEGMENTS = 64
/** Calls between two looks at the clock. */
const CALLS = 16
/** Far shorter than it takes to fill any receive buffer. */
const PAUSE_MS = 1

const descriptor = process.env.FLOOD_FD
const [from = '0.0.0.0'] = process.argv.slice(2)
const socket = createSocket('udp4')
let until = 0
const pools = new Map<string, Buffer>()
// Refused at the other end while its socket is gone: the next packet tries again.
socket.on('error', () => {})

if (descriptor === undefined) socket.bind({ address: from }, () => serve(handlers))
else socket.bind({ fd: Number(descriptor) }, () => serve(handlers))

async function flood(job: FloodJob): Promise<Flooded> {
  const { port, host, ms, file, rate, oddLengths = false, bytes: size = PACKET_BYTES } = job
  const pool = poolOf(file)
  await new Promise<void>(resolve => socket.connect(port, host, resolve))
  const packets = oddLengths || size !== PACKET_BYTES || descriptor === undefined ? 1 : SEGMENTS
  const bytes = size * packets
  const start = performance.now()
  let sent = 0
  let at = 0
  const elapsed = () => performance.now() - start
  until = ms
  while (elapsed() < until) {
    for (let call = 0; call < CALLS; call++) {
      if (at + bytes > pool.length) at = 0
      socket.send(pool.subarray(at, at + (oddLengths ? sent % PACKET_BYTES : bytes)))
      at += bytes
      sent += packets
    }
    await new Promise(resolve => setImmediate(resolve))
    // Asleep, not spinning: whoever knocks may be on the same processor.
    while (rate !== undefined && sent > (elapsed() / 1000) * rate) await pause(PAUSE_MS)
  }
  const took = elapsed()
  socket.disconnect()
  return { sent, ms: took }
}

function poolOf(file: string): Buffer {
  const pool = pools.get(file) ?? readFileSync(file)
  pools.set(file, pool)
  return pool
}
