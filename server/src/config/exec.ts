import * as v from 'valibot'
import type { ExecSettings } from '../core/directory.ts'
import { BLANKS, blanksOf } from '../core/template.ts'
import { table } from './tables.ts'
import * as value from './values.ts'

const SECOND = 1_000
/** A knock waits for its commands, and clients wait seconds for a reply. */
const EXEC_MAX = 5 * 60 * SECOND
/** What the daemon runs at all (`hooks/exec.ts`): more for one service would be no bound. */
const AT_ONCE_MAX = 16
const AT_ONCE = `write how many may run at once, from 1 to ${AT_ONCE_MAX}`

const KNOWN = BLANKS.map(name => `{${name}}`).join(', ')

/** The program is never filled in: what runs is what the administrator wrote. */
const command = v.pipe(
  value.command,
  v.check(
    ([program = '']) => blanksOf(program).length === 0,
    'write the program itself; only its arguments are filled in',
  ),
  v.check(
    argv => argv.flatMap(blanksOf).every(name => BLANKS.some(blank => blank === name)),
    `only ${KNOWN} are filled in; write another brace with a space behind it, or put it into a script`,
  ),
)

const namesUser = (raw: { readonly open: string[]; readonly close: string[] }): boolean =>
  [...raw.open, ...raw.close].flatMap(blanksOf).includes('user')

/** The commands that open and close. */
export const execSchema = v.pipe(
  table({
    open: v.pipe(command, v.minLength(1, 'write the command that opens')),
    close: v.optional(command, []),
    time_limit: v.optional(value.duration(SECOND, EXEC_MAX), '10s'),
    as: v.optional(value.account),
    at_once: v.optional(
      v.pipe(
        v.number(AT_ONCE),
        v.integer(AT_ONCE),
        v.minValue(1, AT_ONCE),
        v.maxValue(AT_ONCE_MAX, AT_ONCE),
      ),
    ),
    per_user: v.optional(value.flag, false),
  }),
  v.check(
    raw => raw.per_user || !namesUser(raw),
    'names {user}, but opens for an address, whoever has it: write per_user = true too',
  ),
  v.transform(
    (raw): ExecSettings => ({
      open: raw.open,
      close: raw.close,
      timeLimit: raw.time_limit,
      as: raw.as,
      ...(raw.at_once !== undefined && { atOnce: raw.at_once }),
      ...(raw.per_user && { perUser: true }),
    }),
  ),
)
