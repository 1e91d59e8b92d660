#!/usr/bin/env node
import { join } from 'node:path'
import { loadBundle } from './code-cache.ts'
import { readPlainKnock } from './plain-knock.ts'

/** What each of the bundles exports: runs the arguments, and gives the exit status. */
type Program = { run(args: readonly string[]): Promise<number> }

const args = process.argv.slice(2)
const { exports, keep } = loadBundle(join(__dirname, `${bundleFor(args)}.js`), require)
;(exports as Program).run(args).then(status => {
  keep()
  // Not left to the event loop: a resolver that hangs would keep the process after its answer.
  process.exit(status)
})

function bundleFor(args: readonly string[]): string {
  if (args.length === 0) return 'tui'
  return readPlainKnock(args) ? 'knock' : 'commands'
}
