/** The exit statuses of DESIGN 9: programs rely on them. */
export const EXIT = {
  opened: 0,
  usage: 1,
  profile: 2,
  noReply: 3,
  refused: 4,
  pending: 5,
  /** A mistake in this program (EX_SOFTWARE of sysexits.h). */
  internal: 70,
  /** All went well, and nobody could be told so: standard output does not take it (EX_IOERR). */
  output: 74,
  /** As a shell reports a program ended by ^C. */
  interrupted: 130,
} as const
export type Exit = (typeof EXIT)[keyof typeof EXIT]

/** Statuses of `exec` beside those of the command that it runs, as env(1) and shells have them. */
export const EXEC = { failed: 125, notExecutable: 126, notFound: 127, signalled: 128 } as const

/** Ends a command with one line on stderr. */
export class Failure extends Error {
  readonly exit: Exit

  constructor(exit: Exit, message: string) {
    super(message)
    this.exit = exit
  }
}
