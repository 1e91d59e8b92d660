import type { Service } from '../core/directory.ts'
import { converse } from '../socket.ts'
import { type Finding, finding, fine } from './finding.ts'

/** It has nothing to do before it answers. */
const ANSWER_MS = 5_000

/**
 * Whether somebody runs the commands of services whose `exec` has `as`. The helper refuses what is no
 * order in these words, which shows that it is there.
 */
export async function helperFindings(
  services: Iterable<Service>,
  socket: string,
  refusal: string,
): Promise<Finding[]> {
  const needs = [...services].filter(({ exec }) => exec?.as !== undefined)
  if (needs.length === 0) return []
  const names = needs.map(({ name }) => name).join(', ')
  const lacking = `and ${names} cannot open without it`
  const remedy = 'systemctl enable --now oneknockd-helper'
  const said = await converse(socket, {}, () => {}, ANSWER_MS).then(
    () => undefined,
    ({ message }: Error) => message,
  )
  if (said === refusal) return [fine('helper', `listens at ${socket}`)]
  if (said === undefined) return [finding('helper', 'problem', `is not there, ${lacking}`, remedy)]
  return [finding('helper', 'problem', `does not answer (${said}), ${lacking}`, 'see its log')]
}
