import { execFile } from 'node:child_process'

/** Milliseconds: what does not answer by then is not going to. */
const LIMIT = 5_000
/** The same for one that reads every user's file, on a machine that has others to serve. */
const CHECK_LIMIT = 60_000
const PATH = '/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin'

/** What a program prints; `undefined` if it is not there or fails. */
export const ask = async (
  program: string,
  ...args: readonly string[]
): Promise<string | undefined> => (await hear(program, ...args))?.stdout

/** And what it complains of, though it does not fail. */
export function hear(
  program: string,
  ...args: readonly string[]
): Promise<{ readonly stdout: string; readonly stderr: string } | undefined> {
  const env = { PATH, LC_ALL: 'C' }
  const options = { env, timeout: LIMIT, maxBuffer: 64 * 1024 * 1024 }
  return new Promise(resolve => {
    execFile(program, args, options, (error, stdout, stderr) =>
      resolve(error ? undefined : { stdout, stderr }),
    )
  })
}

/** What a program complains of, line by line, if it fails; never nothing then. */
export function complaints(program: string, ...args: readonly string[]): Promise<string[]> {
  return new Promise(resolve => {
    execFile(program, args, { timeout: CHECK_LIMIT }, (error, _, stderr) => {
      if (!error) return resolve([])
      const silence = error.killed
        ? `no answer within ${CHECK_LIMIT / 1000} s`
        : 'it fails without a word'
      resolve((stderr.trimEnd() || silence).split('\n'))
    })
  })
}
