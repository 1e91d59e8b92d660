import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { serveSocket } from '../../server/src/socket.ts'

/**
 * A process that wants the socket of a folder again and again, `node socket-holder.mjs FOLDER ROUNDS
 * DEATH`: it prints a line for each time that it alone had it, and dies in the one whose number is DEATH.
 */
const [folder = '', rounds, death] = process.argv.slice(2)
const socket = join(folder, 'test.sock')
/** There as long as somebody has the socket: nobody else may find it. */
const held = join(folder, 'held')

for (let round = 1; round <= Number(rounds); ) {
  const served = await serveSocket(socket, async () => process.pid)
  if (!served.ok) {
    if (served.error.code !== 'held') throw new Error(served.error.message)
    continue
  }
  if (round === Number(death)) process.kill(process.pid, 'SIGKILL')
  closeSync(openSync(held, 'wx'))
  await new Promise(setImmediate)
  unlinkSync(held)
  await served.value.close()
  writeSync(1, 'had it\n')
  round++
}
