/** `npm run bench`: runs the scenarios, and says what came of them. */
import { HELP, parseOptions } from './cli/options.ts'
import { runAll } from './cli/run.ts'
import { keepOn } from './harness/cores.ts'
import { describeMachine } from './harness/machine.ts'
import { toJson } from './report/json.ts'
import { toMarkdown } from './report/markdown.ts'
import { save } from './report/save.ts'
import { scenarios } from './scenarios/scenarios.ts'

process.exitCode = await main(process.argv.slice(2))

async function main(words: readonly string[]): Promise<number> {
  const options = parseOptions(words)
  if (!options.ok) {
    process.stderr.write(`bench: ${options.error}\n`)
    return 1
  }
  if (options.value === 'help') {
    process.stdout.write(HELP)
    return 0
  }
  // Whatever is running is ended by what listens for the exit.
  process.once('SIGINT', () => process.exit(130))
  process.once('SIGTERM', () => process.exit(143))
  const { json, only, full } = options.value
  const machine = describeMachine()
  keepOn('sender') // It only looks on.
  const wanted = scenarios.filter(({ rows }) => !only || rows.some(row => only.includes(row)))
  const outcome = await runAll(wanted, full, line => process.stderr.write(`${line}\n`))
  const results = { at: new Date().toISOString(), full, machine, ...outcome }
  process.stdout.write(json ? toJson(results) : toMarkdown(results))
  if (options.value.save) save(results)
  return outcome.failed.length > 0 ? 1 : 0
}
