/** What a child process can be asked: one function for each question. */
export type Handlers = Readonly<Record<string, (argument: never) => unknown>>

/** Answers the parent's questions until it hangs up, then ends. */
export function serve(handlers: Handlers): void {
  process.on('message', async ({ id, name, argument }: Question) => {
    try {
      const answer = await handlers[name]!(argument as never)
      process.send?.({ id, answer } satisfies Answer)
    } catch (error) {
      process.send?.({ id, error: (error as Error).message } satisfies Answer)
    }
  })
  process.once('disconnect', () => process.exit())
  process.send?.({ id: READY } satisfies Answer)
}

export const READY = -1

export interface Question {
  readonly id: number
  readonly name: string
  readonly argument: unknown
}

export interface Answer {
  readonly id: number
  readonly answer?: unknown
  readonly error?: string
}
