import { writeSync } from 'node:fs'

/** Answers go to stdout, everything said beside them to stderr; never a colour, so NO_COLOR holds. */
export const say = (line: string): void => write(1, () => process.stdout, `${line}\n`)
export const warn = (line: string): void => write(2, () => process.stderr, `oneknock: ${line}\n`)
/** One JSON object on a line of its own. */
export const sayJson = (value: object): void => say(JSON.stringify(value))

/**
 * What a terminal, a file or a pipe takes at once need not go through a stream, which Node has to make
 * first. The stream has the rest, and knows what to do when nobody reads. Windows' consoles take no UTF-8
 * but from it.
 */
function write(descriptor: number, stream: () => NodeJS.WriteStream, text: string): void {
  const bytes = Buffer.from(text)
  const written = process.platform === 'win32' ? 0 : writeAtOnce(descriptor, bytes)
  if (written < bytes.length) stream().write(bytes.subarray(written))
}

function writeAtOnce(descriptor: number, bytes: Uint8Array): number {
  try {
    return writeSync(descriptor, bytes)
  } catch {
    return 0
  }
}
