import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type Clock, systemClock } from '../../client/src/clock.ts'
import { takeTurn } from '../../client/src/turns.ts'

/**
 * A process that takes turns with others, `node turn-taker.mjs FOLDER ROUNDS DEATH`: it prints a line
 * for each turn that it had to itself, and dies in the middle of the one whose number is DEATH.
 */
const [folder = '', rounds, death] = process.argv.slice(2)
/** There as long as somebody has the turn: nobody else may find it. */
const held = join(folder, 'held')
/** Looks again at once, so that many find a turn ended in the same moment. */
const hurried: Clock = {
  ...systemClock,
  after(_ms, run) {
    const timer = setImmediate(run)
    return () => clearImmediate(timer)
  },
}

for (let round = 1; round <= Number(rounds); round++) {
  const turned = await takeTurn({ folder, name: 'home' }, `${process.pid}`, hurried)
  if (turned.kind !== 'mine') throw new Error('told of an ask of its own')
  if (round === Number(death)) process.kill(process.pid, 'SIGKILL')
  closeSync(openSync(held, 'wx'))
  await new Promise(setImmediate)
  unlinkSync(held)
  turned.turn.end()
  writeSync(1, 'had it\n')
}
