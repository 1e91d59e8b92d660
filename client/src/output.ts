import { writeSync } from 'node:fs'
import { EXIT } from './exit.ts'

/**
 * What a terminal, a file or a pipe takes at once need not go through a stream, which Node has to make
 * first. The stream has the rest of what a pipe has no room for. Windows' consoles take no UTF-8 but
 * from it.
 */
class Output {
  /** Why something was not written: the system's word for the first time. */
  failed: string | undefined
  readonly #descriptor: number
  readonly #open: () => NodeJS.WriteStream
  #stream: NodeJS.WriteStream | undefined

  constructor(descriptor: number, open: () => NodeJS.WriteStream) {
    this.#descriptor = descriptor
    this.#open = open
  }

  write(text: string): void {
    const rest = this.#writeAtOnce(Buffer.from(text))
    if (rest.length > 0) this.#opened().write(rest)
  }

  /** Done when all is written, or has failed. */
  async flush(): Promise<void> {
    const stream = this.#stream
    if (stream) await new Promise(resolve => stream.write('', resolve))
  }

  /** Gives what is left for the stream. */
  #writeAtOnce(bytes: Uint8Array): Uint8Array {
    let rest = bytes
    try {
      // What comes later must not overtake what the stream has.
      if (this.#stream || process.platform === 'win32') return rest
      while (rest.length > 0) rest = rest.subarray(writeSync(this.#descriptor, rest))
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EAGAIN') return rest
      this.#fail(code)
    }
    return NOTHING
  }

  #opened(): NodeJS.WriteStream {
    this.#stream ??= this.#open().on('error', ({ code }: NodeJS.ErrnoException) => this.#fail(code))
    return this.#stream
  }

  #fail(code = 'error'): void {
    this.failed ??= code
  }
}

const NOTHING = new Uint8Array()
const answers = new Output(1, () => process.stdout)
const remarks = new Output(2, () => process.stderr)

/** Answers go to stdout, everything said beside them to stderr; never a colour, so NO_COLOR holds. */
export const print = (text: string): void => answers.write(text)
export const say = (line: string): void => print(`${line}\n`)
export const warn = (line: string): void => remarks.write(`oneknock: ${line}\n`)
/** One JSON object on a line of its own. */
export const sayJson = (value: object): void => say(JSON.stringify(value))

/** Whoever read the answers has gone. */
export const isUnread = (): boolean => answers.failed === 'EPIPE'

/**
 * The status to end with: the command's own, unless it would say that all is well, and the answer is
 * lost. `oneknock list | head -1` has all it wants once the pipe is closed.
 */
export async function concluded(status: number): Promise<number> {
  await answers.flush()
  if (answers.failed !== undefined && !isUnread()) {
    warn(`cannot write the answer (${answers.failed}); see where standard output goes`)
    if (status === EXIT.opened) return EXIT.output
  }
  return status
}
