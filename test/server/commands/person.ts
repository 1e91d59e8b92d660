import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { until } from '../kit.ts'
import { MAIN } from './cli.ts'
import type { Site } from './site.ts'

/** An administrator at a real pseudo-terminal. */
export class Person {
  readonly #script: ChildProcessWithoutNullStreams
  shown = ''

  constructor(s: Pick<Site, 'config'>, command: string) {
    const env = { PATH: process.env.PATH, NODE: process.execPath, MAIN, CONFIG: s.config }
    const line = `"$NODE" "$MAIN" --config "$CONFIG" ${command}; echo "status=$?"`
    this.#script = spawn('script', ['-qec', line, '/dev/null'], { env })
    this.#script.stdout.setEncoding('utf8').on('data', text => {
      this.shown += text
    })
  }

  type(keys: string): void {
    this.#script.stdin.write(keys)
  }

  async sees(text: string): Promise<void> {
    await until(
      () => this.shown,
      shown => shown.includes(text),
      15_000,
    )
  }

  leave(): void {
    this.#script.kill()
  }
}
