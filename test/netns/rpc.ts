import type { ChildProcess } from 'node:child_process'
import { createInterface } from 'node:readline'

/**
 * Calls to a process of ours in another network namespace, since Node cannot enter one itself: a
 * JSON line for each call and each answer, over its standard input and output.
 */
export interface RemoteError {
  readonly message: string
  readonly code?: string | undefined
}

type Message =
  | { readonly id: number; readonly result: unknown }
  | { readonly id: number; readonly error: RemoteError }
  | { readonly event: unknown }

/** In the child: answers calls until its input ends, then ends itself. Returns how to tell news. */
export function serve(
  // biome-ignore lint/suspicious/noExplicitAny: calls carry what JSON can, and both ends are ours
  methods: Readonly<Record<string, (...args: any[]) => unknown>>,
): (event: unknown) => void {
  const say = (message: Message) => process.stdout.write(`${JSON.stringify(message)}\n`)
  const lines = createInterface({ input: process.stdin })
  lines.on('line', async line => {
    const { id, method, args } = JSON.parse(line)
    try {
      say({ id, result: await methods[method]!(...args) })
    } catch (error) {
      const { message, code } = error as Error & { code?: string }
      say({ id, error: { message, code } })
    }
  })
  lines.on('close', () => process.exit())
  return event => say({ event })
}

/** In the parent: the other end. */
export class Remote {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, (message: Message) => void>()
  #next = 0

  constructor(child: ChildProcess, onEvent: (event: unknown) => void = () => {}) {
    this.#child = child
    createInterface({ input: child.stdout! }).on('line', line => {
      const message: Message = JSON.parse(line)
      if ('event' in message) onEvent(message.event)
      else this.#waiting.get(message.id)?.(message)
    })
    child.stdin!.on('error', () => {})
    child.once('exit', () => {
      const error = { message: 'the process has ended', code: 'ended' }
      for (const [id, settle] of this.#waiting) settle({ id, error })
    })
  }

  call<T>(method: string, ...args: unknown[]): Promise<T> {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, message => {
        this.#waiting.delete(id)
        if ('result' in message) resolve(message.result as T)
        else if ('error' in message) reject(Object.assign(new Error(), message.error))
        else resolve(undefined as T)
      })
      this.#child.stdin!.write(`${JSON.stringify({ id, method, args })}\n`)
    })
  }
}
