import type { Question } from '../approving.ts'
import { questionOf } from '../delivery/question.ts'
import { deliver } from './hooks.ts'
import type { Settings } from './settings.ts'

/** Sends somebody a question, by the settings as they are then. */
export async function ask(settings: Settings, { pending, token }: Question): Promise<void> {
  const { http } = settings.config
  // A reload may have taken it away after the question arose.
  if (http?.public === undefined) throw new Error('there is no [http] public for the link')
  const message = questionOf(pending, token, http.public)
  await deliver(settings, pending.channel, pending.approver, message)
}
