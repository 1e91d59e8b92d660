import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { BIN, type Home } from './run.ts'

/** How long anything may take to show. */
const DEADLINE_MS = 10_000

/** A person at a real pseudo-terminal, in which a shell runs the command line. */
export class Person {
  readonly #script: ChildProcessWithoutNullStreams
  #shown = ''

  constructor(home: Home, line: string) {
    const env = { ...home.env, BIN, NODE: process.execPath }
    this.#script = spawn('script', ['-qec', line, '/dev/null'], { env })
    this.#script.stdout.setEncoding('utf8').on('data', text => {
      this.#shown += text
    })
  }

  type(keys: string): void {
    this.#script.stdin.write(keys)
  }

  /** All that has been shown, once it holds this. */
  async sees(pattern: RegExp): Promise<string> {
    const deadline = Date.now() + DEADLINE_MS
    while (!pattern.test(this.#shown)) {
      if (Date.now() > deadline) throw new Error(`never saw ${pattern} in: ${this.#shown}`)
      await new Promise(resolve => setTimeout(resolve, 10))
    }
    return this.#shown
  }

  leave(): void {
    this.#script.kill()
  }
}
