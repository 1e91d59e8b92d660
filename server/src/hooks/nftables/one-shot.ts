import { spawn } from 'node:child_process'
import { type Answer, firstLine } from './answer.ts'
import { CHILD_ENV } from './program.ts'

/** One line, one process: slower, and works with every build of nft. */
export function runOnce(program: string, line: string, limitMs: number): Promise<Answer> {
  return new Promise(resolve => {
    const child = spawn(program, ['-f', '-'], { env: CHILD_ENV, cwd: '/', stdio: 'pipe' })
    let output = ''
    let complaint = ''
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      resolve({ kind: 'timeout' })
    }, limitMs)
    child.stdout.setEncoding('utf8').on('data', chunk => {
      output += chunk
    })
    child.stderr.setEncoding('utf8').on('data', chunk => {
      complaint += chunk
    })
    child.once('error', ({ message }) => {
      clearTimeout(timer)
      resolve({ kind: 'gone', message })
    })
    child.once('close', code => {
      clearTimeout(timer)
      if (code === 0 && !complaint) resolve({ kind: 'done', output })
      else resolve({ kind: 'refused', message: firstLine(complaint) })
    })
    child.stdin.on('error', () => {})
    child.stdin.end(`${line}\n`)
  })
}
