import type { Socket } from 'node:net'
import { REACH } from '../asking.ts'
import { addressesOf, dial } from '../dial.ts'
import { EXIT, type Exit, Failure } from '../exit.ts'
import { warn } from '../output.ts'
import { dialIn, type Endpoint, parsePort } from '../probe.ts'
import { quote } from '../quote.ts'
import { ownEnds, splice } from '../splice.ts'
import { type KnockerFlags, mustPass, passageTo } from './knocker.ts'

/** The door is open by now: what does not answer within it is not there. */
const OPEN_CONNECT_MS = 10_000

/** Input and output are the connection's: nothing is asked, and nothing is said, on either. */
export async function proxyCommand(
  name: string,
  host: string,
  portText: string,
  flags: KnockerFlags,
): Promise<Exit> {
  const port = parsePort(portText)
  if (port === undefined) {
    throw new Failure(EXIT.usage, `${quote(portText)} is no port: give a number of 1 to 65535`)
  }
  const passage = passageTo(name, [], flags, { ...REACH, isInputTaken: true })
  const found = await addressesOf(host)
  if (!found.ok) {
    const line = `cannot find ${quote(host)} (${found.error}); check the name and the network`
    throw new Failure(EXIT.noReply, line)
  }
  const since = Date.now()
  const place = { host, port }
  const first = await dialIn(found.value, port)
  if (first) return connect(first, place)
  const { exit, line } = await mustPass(passage, since)
  if (exit !== EXIT.opened) throw new Failure(exit, line)
  return connect(await mustDial(found.value, place), place)
}

async function mustDial(addresses: readonly string[], { host, port }: Endpoint): Promise<Socket> {
  const dialled = await dial(addresses, port, OPEN_CONNECT_MS)
  if (dialled.ok) return dialled.value
  throw new Failure(
    EXIT.noReply,
    `the door is open, and ${quote(host)} port ${port} does not answer (${dialled.error}); check that the service runs, and what opens: oneknock doctor`,
  )
}

async function connect(socket: Socket, { host, port }: Endpoint): Promise<Exit> {
  const broken = await splice(socket, ownEnds())
  if (broken === undefined) return EXIT.opened
  warn(`the connection to ${quote(host)} port ${port} broke (${broken})`)
  return EXIT.noReply
}
