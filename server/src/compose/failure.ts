/** Why a daemon does not start, or does not take up a configuration: one line for the administrator. */
export interface StartError {
  readonly code: 'held' | 'unavailable' | 'ledger' | 'hook' | 'listen' | 'restart'
  readonly message: string
}

export class StartFailure extends Error {
  readonly reason: StartError

  constructor(code: StartError['code'], cause: unknown) {
    const message = cause instanceof Error ? cause.message : String(cause)
    super(message)
    this.reason = { code, message }
  }
}

/** Says which step of a start or a reload it was that failed. */
export async function step<T>(code: StartError['code'], work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    throw new StartFailure(code, error)
  }
}
