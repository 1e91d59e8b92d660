import { DeliveryError, type Letter } from './channel.ts'

/** Too many requests, and what a server or proxy says that is not well: later may be better. */
const isPassing = (status: number): boolean => status === 429 || status >= 500

/** One HTTP request, which is to be answered with 2xx. `name` is what an error calls the receiver. */
export async function post(
  name: string,
  url: string,
  headers: Readonly<Record<string, string>>,
  body: string,
  { timeLimit }: Letter,
): Promise<void> {
  // The path of a webhook often is a secret.
  const where = `${name} at ${new URL(url).origin}`
  let response: Response
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body,
      // The body is for this receiver and nobody whom it names.
      redirect: 'manual',
      signal: AbortSignal.timeout(timeLimit),
    })
    await response.body?.cancel()
  } catch (error) {
    throw new DeliveryError('unreachable', `${where} ${whyNot(error, timeLimit)}`, true)
  }
  if (response.ok) return
  const line = `${where} answered with status ${response.status}`
  throw new DeliveryError('refused', line, isPassing(response.status))
}

function whyNot(error: unknown, timeLimit: number): string {
  if (error instanceof Error && error.name === 'TimeoutError') {
    return `did not answer within ${timeLimit / 1000} s`
  }
  const { code } = ((error as Error).cause ?? {}) as { code?: unknown }
  return `cannot be reached${typeof code === 'string' ? ` (${code})` : ''}`
}
