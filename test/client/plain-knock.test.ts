import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { defineCommands } from '../../client/src/definitions.ts'
import { readPlainKnock } from '../../client/src/plain-knock.ts'
import { Home, invitation, serveTarget } from './run.ts'

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

/** To load them takes time that whoever knocks would wait for. */
test.each(['crypto', 'dns', 'tty', 'http'])("a plain knock does without Node's %s", async name => {
  const home = new Home()
  onTestFinished(() => home.remove())
  const server = await serveTarget(home)
  onTestFinished(() => server.stop())
  const invited = invitation({ port: server.port })
  await home.run(['add', '--name', 'auto', '--otp-command', 'echo 111111'], invited)
  const [told, tells] = [join(home.path, 'told'), join(home.path, 'tells.cjs')]
  const list = `require('fs').writeFileSync(${JSON.stringify(told)}, process.moduleLoadList.join('\\n'))`
  writeFileSync(tells, `process.on('exit', () => ${list})`)
  home.env.NODE_OPTIONS = `--require=${tells}`
  const run = await home.run(['knock', 'auto'])
  expect(run).toMatchObject({ status: 0 })
  const loaded = readFileSync(told, 'utf8').split('\n')
  expect(loaded).toContain('NativeModule dgram')
  expect(loaded).not.toContain(`NativeModule ${name}`)
})
