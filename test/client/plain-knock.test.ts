import { expect, test } from 'vitest'
import { defineCommands } from '../../client/src/definitions.ts'
import { readPlainKnock } from '../../client/src/plain-knock.ts'

/** What the definitions make of a command line. */
function readByDefinition(args: readonly string[]) {
  const read: unknown[] = []
  const program = defineCommands({ version: '', complain: () => {}, end: () => {} }, args[0])
  program.commands[0]!.action((target, services, flags) => {
    read.push({ target, services, flags })
  })
  program.parse(args, { from: 'user' })
  return read[0]
}

test.each([
  [['knock', 'home']],
  [['knock', 'home', 'ssh', 'wiki']],
  [['knock', 'home', '--if-needed']],
  [['knock', '--if-needed', 'home', 'ssh']],
  [['knock', 'home', '--if-needed', 'ssh', '--if-needed']],
  [['knock', '']],
  [['knock', 'help']],
])('a plain knock is read as its definition reads it: %j', args => {
  expect(readPlainKnock(args)).toEqual(readByDefinition(args))
})

test.each([
  [[]],
  [['knock']],
  [['knock', '--if-needed']],
  [['knock', '--help']],
  [['knock', 'home', '-h']],
  [['knock', 'home', '--json']],
  [['knock', 'home', '--if-needed', '--port', 'home:22']],
  [['knock', '--', 'home']],
  [['close', 'home']],
  [['--if-needed', 'knock', 'home']],
])('all else is left to the definitions: %j', args => {
  expect(readPlainKnock(args)).toBeUndefined()
})
