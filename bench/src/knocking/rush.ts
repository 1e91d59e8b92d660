import type { Socket } from 'node:dgram'
import type { User } from '../../../server/src/core/directory.ts'
import { knockOf, readAnswer, type Sealed } from '../harness/packets.ts'
import { inTurn } from '../harness/sources.ts'
import { boundSocket } from './probe.ts'

export interface Rush {
  readonly users: readonly User[]
  /** They knock for addresses from this number on (`inTurn`). */
  readonly firstAddress: number
  readonly host: string
  readonly port: number
  /** Of each client, who waits for an answer before the next knock. */
  readonly sources: readonly string[]
  /** Seconds, if not the service's own. */
  readonly lifetime?: number
}

export interface Rushed {
  readonly knocks: number
  readonly opened: number
  readonly perSecond: number
}

/** An answer that takes longer is lost, and the run with it. */
const ANSWER_MS = 10_000
/** The codes of now and of the next half minute: both are still right if the half minute turns. */
const STEPS = [0, 1]

/** How many knocks these users make. */
export const knocksOf = (users: number): number => STEPS.length * users

/** Each user knocks with one code and then with the next, each time for another address. */
export async function rush(options: Rush): Promise<Rushed> {
  const { users, firstAddress, host, port, sources, lifetime = 0 } = options
  const sealed = STEPS.flatMap((step, round) => {
    const first = firstAddress + round * users.length
    return users.map((user, i) => knockOf(user, { step, lifetime, address: inTurn(first + i) }))
  })
  const sockets = await Promise.all(sources.map(boundSocket))
  const answers: Answer[] = []
  let next = 0
  const start = performance.now()
  await Promise.all(
    sockets.map(async socket => {
      for (let asked = sealed[next++]; asked; asked = sealed[next++]) {
        answers.push({ asked, reply: await answerOf(socket, asked.datagram, port, host) })
      }
    }),
  )
  const ms = performance.now() - start
  for (const socket of sockets) socket.close()
  const opened = answers.filter(({ asked, reply }) => readAnswer(asked, reply)?.status === 'opened')
  const knocks = sealed.length
  return { knocks, opened: opened.length, perSecond: (knocks / ms) * 1000 }
}

interface Answer {
  readonly asked: Sealed
  readonly reply: Uint8Array
}

function answerOf(
  socket: Socket,
  datagram: Uint8Array,
  port: number,
  host: string,
): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('a good knock got no answer')), ANSWER_MS)
    socket.once('message', reply => {
      clearTimeout(timer)
      resolve(reply)
    })
    socket.send(datagram, port, host)
  })
}
