import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { CHILD_ENV } from '../guard/program.ts'
import { type Answer, firstLine } from './answer.ts'

/**
 * A command that reads nothing of the ruleset, so it costs the same beside thousands of chains. nft
 * answers it when it is done with the line before: the answer acknowledges that. It prints each word
 * of its own, and of this type there are fewest.
 */
const ACKNOWLEDGE = 'describe integer'
const ACKNOWLEDGED = /(?:^|\n)datatype integer [^\n]*\n$/
/** The acknowledgement may arrive in pieces; it is no longer than this. */
const TAIL = 256
/** Milliseconds that it has to end by itself once its input has ended. */
const END_LIMIT = 1_000

/** One `nft -i` process. It takes a line at a time. */
export class InteractiveNft {
  readonly #child: ChildProcessWithoutNullStreams
  /** Resolves when it has ended, with why. */
  readonly exited: Promise<string>
  /** Whether it has answered yet. A build without an interactive mode never does. */
  answered = false
  /** How many lines it was given. */
  asked = 0

  #settle: ((answer: Answer) => void) | undefined
  #gone: string | undefined
  #hung = false
  #output = ''
  #tail = ''
  #complaint = ''

  constructor(program: string, flags: readonly string[] = []) {
    // Without `-e`: to echo costs more than the command, and grows with the set.
    this.#child = spawn(program, [...flags, '-i'], { env: CHILD_ENV, cwd: '/', stdio: 'pipe' })
    this.#child.stdout.setEncoding('utf8').on('data', chunk => this.#read(chunk))
    this.#child.stderr.setEncoding('utf8').on('data', chunk => {
      this.#complaint += chunk
    })
    // Whoever reads no more has ended, and that is heard of.
    this.#child.stdin.on('error', () => {})
    this.exited = new Promise(resolve => {
      const ended = (message: string) => {
        this.#gone ??= message
        this.#settle?.({ kind: 'gone', message })
        resolve(message)
      }
      this.#child.once('error', ({ message }) => ended(message))
      this.#child.once('close', (code, signal) => ended(this.#lastWords(code, signal)))
    })
  }

  ask(line: string, limitMs: number): Promise<Answer> {
    if (this.#gone !== undefined) return Promise.resolve({ kind: 'gone', message: this.#gone })
    this.#output = this.#tail = this.#complaint = ''
    this.asked++
    return new Promise(resolve => {
      const timer = setTimeout(() => {
        this.#hung = true
        this.#child.kill('SIGKILL')
        this.#settle?.({ kind: 'timeout' })
      }, limitMs)
      this.#settle = answer => {
        clearTimeout(timer)
        this.#settle = undefined
        resolve(answer)
      }
      this.#child.stdin.write(`${line}\n${ACKNOWLEDGE}\n`)
    })
  }

  /** Lets it finish what it was given. */
  async end(): Promise<void> {
    this.#child.stdin.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), END_LIMIT)
    await this.exited
    clearTimeout(timer)
  }

  #read(chunk: string): void {
    this.#output += chunk
    this.#tail = (this.#tail + chunk).slice(-TAIL)
    if (!ACKNOWLEDGED.test(this.#tail)) return
    this.answered = true
    // A complaint was written before this, so it is in its pipe; the loop reads it in this turn.
    setImmediate(() => this.#settle?.(this.#verdict()))
  }

  #verdict(): Answer {
    if (this.#complaint) return { kind: 'refused', message: firstLine(this.#complaint) }
    return { kind: 'done', output: this.#output.replace(ACKNOWLEDGED, '\n') }
  }

  #lastWords(code: number | null, signal: NodeJS.Signals | null): string {
    if (this.#hung) return 'it hung and was ended'
    if (this.#complaint) return firstLine(this.#complaint)
    return `it ended with ${signal ?? `status ${code}`}`
  }
}
