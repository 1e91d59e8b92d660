import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { pinned, type Side } from './cores.ts'
import { type Answer, type Handlers, READY } from './serve.ts'

/** A process of our own that answers questions (`serve`). */
export interface Child<H extends Handlers> {
  readonly pid: number
  /** Rejects if it ends before it is told to. */
  readonly lost: Promise<never>
  ask<K extends keyof H & string>(name: K, ...argument: Parameters<H[K]>): Promise<Answered<H[K]>>
  stop(): Promise<void>
}

type Answered<F extends (argument: never) => unknown> = Awaited<ReturnType<F>>

export interface ChildOptions {
  readonly side: Side
  readonly arguments?: readonly string[]
  readonly node?: readonly string[]
  /** Commands that end by running what follows them, such as `ip netns exec N`. */
  readonly through?: readonly string[]
  /** The file that takes what it prints; else only its errors are shown. */
  readonly output?: string
}

/** Every process started here and not yet ended: for a run that is broken off. */
const living = new Set<ChildProcess>()
process.once('exit', endChildren)

/** All at once: whoever started them cannot go on. */
export function endChildren(): void {
  for (const child of living) child.kill('SIGKILL')
}

/** A well-behaved child ends within this; longer means it hangs. */
const END_MS = 10_000

/** Starts `dist/NAME.js`, and waits until it answers. */
export async function startChild<H extends Handlers>(
  name: string,
  options: ChildOptions,
): Promise<Child<H>> {
  const child = spawnChild(name, options)
  const waiting = new Map<number, { resolve(value: unknown): void; reject(error: Error): void }>()
  const answerTo = (id: number) =>
    new Promise<never>((resolve, reject) => waiting.set(id, { resolve, reject }))
  const ended = new Promise<ChildEnded>(resolve => {
    child.once('exit', (code, signal) => {
      living.delete(child)
      const error = new ChildEnded(name, code ?? signal, options.output)
      for (const { reject } of waiting.values()) reject(error)
      resolve(error)
    })
  })
  const lost = ended.then(error => Promise.reject(error))
  lost.catch(() => {}) // Whoever does not wait for it is told by the answer that does not come.
  child.on('message', ({ id, answer, error }: Answer) => {
    const asked = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) asked?.resolve(answer)
    else asked?.reject(new Error(`${name}: ${error}`))
  })
  await answerTo(READY)

  let asked = 0
  return {
    pid: child.pid!,
    lost,
    ask(question, ...[argument]) {
      const id = asked++
      child.send({ id, name: question, argument })
      return answerTo(id)
    },
    async stop() {
      child.kill('SIGTERM')
      const timer = setTimeout(() => child.kill('SIGKILL'), END_MS)
      await ended
      clearTimeout(timer)
    },
  }
}

function spawnChild(name: string, options: ChildOptions): ChildProcess {
  const { side, arguments: given = [], node = [], through = [], output } = options
  const script = fileURLToPath(new URL(`${name}.js`, import.meta.url))
  const [command, ...rest] = [
    ...through,
    ...pinned(side),
    ...[process.execPath, ...node, script, ...given],
  ]
  const sink = output === undefined ? undefined : openSync(output, 'a')
  const child = spawn(command!, rest, {
    serialization: 'advanced', // Keys and packets go over as bytes.
    stdio: ['ignore', sink ?? 'ignore', sink ?? 'inherit', 'ipc'],
  })
  if (sink !== undefined) closeSync(sink)
  living.add(child)
  return child
}

/** The end of what it said usually says why. */
const SAID_MAX = 2_000

class ChildEnded extends Error {
  constructor(name: string, status: number | string | null, output: string | undefined) {
    const said = output === undefined ? '' : `: ${readFileSync(output, 'utf8').slice(-SAID_MAX)}`
    super(`${name} ended (${status})${said}`)
  }
}
