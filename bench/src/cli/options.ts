import { parseArgs } from 'node:util'
import { fail, ok, type Result } from '@oneknock/shared'

export interface Options {
  readonly json: boolean
  /** Rows of the table of targets; absent: all. */
  readonly only: readonly number[] | undefined
  readonly full: boolean
  readonly save: boolean
}

export const HELP = `npm run bench -- [OPTIONS]

Measures oneknock on this machine, each figure beside its reference in the same run.

  --only 1,3   these rows of the table only
  --full       more runs, and longer ones: some ten minutes
  --json       print JSON instead of Markdown
  --save       keep the results in bench/RESULTS.md, RESULTS.json and plots/

Root, nftables, iproute2 and fwknop each add to what can be measured; what was skipped is said.
`

const ROWS = 13

export function parseOptions(words: readonly string[]): Result<Options | 'help', string> {
  try {
    const { values } = parseArgs({
      args: [...words],
      options: {
        json: { type: 'boolean', default: false },
        only: { type: 'string' },
        full: { type: 'boolean', default: false },
        save: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    if (values.help) return ok('help')
    const only = values.only?.split(',').map(Number)
    if (only?.some(row => !Number.isInteger(row) || row < 1 || row > ROWS)) {
      return fail(`--only ${values.only}: write rows from 1 to ${ROWS}, such as --only 1,3`)
    }
    if (only && values.save) {
      return fail('--save keeps whole runs; leave --only out')
    }
    return ok({ json: values.json, only, full: values.full, save: values.save })
  } catch (error) {
    return fail(`${(error as Error).message}; see --help`)
  }
}
