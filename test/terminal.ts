import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { until } from './server/kit.ts'

/** How long anything may take to show, on a busy machine. */
const DEADLINE_MS = 15_000

/** Somebody at a real pseudo-terminal, where a shell runs one line. */
export class Terminal {
  readonly #script: ChildProcessWithoutNullStreams
  shown = ''

  constructor(line: string, env: NodeJS.ProcessEnv) {
    this.#script = spawn('script', ['-qec', line, '/dev/null'], { env })
    this.#script.stdout.setEncoding('utf8').on('data', text => {
      this.shown += text
    })
  }

  type(keys: string): void {
    this.#script.stdin.write(keys)
  }

  /** All that has been shown, once it holds this. */
  sees(what: string | RegExp): Promise<string> {
    return until(
      () => this.shown,
      shown => (typeof what === 'string' ? shown.includes(what) : what.test(shown)),
      DEADLINE_MS,
    )
  }

  leave(): void {
    this.#script.kill()
  }
}
