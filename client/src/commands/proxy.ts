import type { Socket } from 'node:net'
import { addressesOf, dial } from '../dial.ts'
import { EXIT, type Exit, Failure } from '../exit.ts'
import { warn } from '../output.ts'
import { CONNECT_MS, type Endpoint, parsePort } from '../probe.ts'
import { quote } from '../quote.ts'
import { type Ending, ownEnds, splice } from '../splice.ts'
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
  const passage = passageTo(name, [], flags, { env: process.env, isInputTaken: true })
  const found = await addressesOf(host)
  if (!found.ok) {
    const line = `cannot find ${quote(host)} (${found.error}); check the name and the network`
    throw new Failure(EXIT.noReply, line)
  }
  const since = Date.now()
  const ends = ownEnds()
  const place = { host, port }
  const first = await dial(found.value, port, CONNECT_MS)
  const ending = first.ok ? await splice(first.value, ends) : undefined
  if (ending && ending.kind !== 'unheard') return exitOf(ending, place)

  const { exit, line } = await mustPass(passage, since)
  if (exit !== EXIT.opened) throw new Failure(exit, line)
  const socket = await mustDial(found.value, place)
  return exitOf(await splice(socket, ends, ending?.said), place)
}

async function mustDial(addresses: readonly string[], { host, port }: Endpoint): Promise<Socket> {
  const dialled = await dial(addresses, port, OPEN_CONNECT_MS)
  if (dialled.ok) return dialled.value
  throw new Failure(
    EXIT.noReply,
    `the door is open, and ${quote(host)} port ${port} does not answer (${dialled.error}); check that the service runs, and what opens: oneknock doctor`,
  )
}

function exitOf(ending: Ending, { host, port }: Endpoint): Exit {
  if (ending.kind === 'ended') return EXIT.opened
  const why = ending.kind === 'lost' ? `(${ending.cause})` : 'at once, though the door is open'
  warn(`${quote(host)} port ${port} hung up ${why}`)
  return EXIT.noReply
}
