import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { setTimeout as wait } from 'node:timers/promises'
import { type Finding, finding, fine } from './finding.ts'
import { hear } from './programs.ts'

const CHECK = 'cut'
/** Milliseconds: over loopback all is there at once; a socket is reset before `ss` ends. */
const PATIENCE = 1_000
const LOOPBACK = '127.0.0.1'

/** Has the system reset a connection of this process; resolves with what it complained of. */
export type Reset = (own: Socket) => Promise<string | undefined>

/**
 * Whether the kernel resets connections that are cut. `ss -K` says nothing and ends with 0 where the
 * kernel is built without CONFIG_INET_DIAG_DESTROY, so it is tried on a connection of our own.
 */
export async function resets(reset: Reset = resetBySs): Promise<Finding> {
  const visit = await visitOurselves().catch(() => undefined)
  if (!visit) {
    return finding(
      CHECK,
      'unknown',
      `nothing connects to ${LOOPBACK}`,
      'see that lo is up, and that no filter drops it',
    )
  }
  try {
    const complaint = await reset(visit.socket)
    if (complaint !== undefined) {
      const found = `whether the kernel resets connections was not seen: ${complaint}`
      return finding(CHECK, 'unknown', found, 'run as root, with iproute2 installed')
    }
    const isReset = await Promise.race([visit.ended, wait(PATIENCE, false, { ref: false })])
    if (isReset) return fine(CHECK, 'the kernel resets connections that are to end')
    const found =
      'the kernel cannot reset connections: who is put out is, but both ends hang until they give up'
    const remedy = 'take a kernel with CONFIG_INET_DIAG_DESTROY'
    return finding(CHECK, 'warning', found, remedy)
  } finally {
    visit.end()
  }
}

async function resetBySs({ localPort, remotePort }: Socket): Promise<string | undefined> {
  const filter = `( sport = :${localPort} and dport = :${remotePort} )`
  const said = await hear('ss', '-K', '-H', '-n', '--tcp', filter)
  if (!said) return 'ss does not run'
  return said.stderr.trim().split('\n')[0] || undefined
}

/** A connection from here to here. */
async function visitOurselves() {
  const server = createServer(visitor => visitor.on('error', () => {}).resume())
  server.listen(0, LOOPBACK)
  await once(server, 'listening')
  const socket = connect((server.address() as AddressInfo).port, LOOPBACK)
  socket.on('error', () => {})
  const ended = new Promise<true>(resolve => socket.once('close', () => resolve(true)))
  const end = () => {
    socket.destroy()
    server.close()
  }
  try {
    // A filter that drops loopback is silent.
    await once(socket, 'connect', { signal: AbortSignal.timeout(PATIENCE) })
  } catch (error) {
    end()
    throw error
  }
  // Who is reset hears of it only while they listen.
  socket.resume()
  return { socket, ended, end }
}
