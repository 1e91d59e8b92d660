import type { Config } from '../../../server/src/config.ts'
import type { Service } from '../../../server/src/core/directory.ts'
import * as reading from './reading.ts'

/** Configurations behind the line that all need, for what can be opened and who is asked. */

const HEAD = 'public = "gate.example.com"\n'

export const config = (text: string): Promise<Config> => reading.good(HEAD + text)

export const problems = (text: string): Promise<string[]> => reading.problems(HEAD + text)

/** The service that these lines describe. */
export async function service(text: string): Promise<Service> {
  return (await config(`[services.s]\n${text}`)).services.get('s')!
}

export const POST =
  '[delivery.post]\nmail = { server = "smtp://mail.example.com", from = "a@example.com" }\n'
