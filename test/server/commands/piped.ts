import { spawn } from 'node:child_process'
import { MAIN, type Outcome } from './cli.ts'

/** The command with something on its standard input. */
export function piped(config: string, input: string, ...args: readonly string[]): Promise<Outcome> {
  const child = spawn(process.execPath, [MAIN, '--config', config, ...args], {
    env: { PATH: process.env.PATH },
  })
  let [stdout, stderr] = ['', '']
  child.stdout.setEncoding('utf8').on('data', chunk => (stdout += chunk))
  child.stderr.setEncoding('utf8').on('data', chunk => (stderr += chunk))
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  return new Promise(resolve => child.once('close', status => resolve({ status, stdout, stderr })))
}
