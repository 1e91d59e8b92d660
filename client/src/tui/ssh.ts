import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'

/** What is said of hosts in ssh's own configuration: `Host home office`, `Match originalhost home …`. */
const SAID =
  /^[ \t]*(?:Host[ \t=]+(?<hosts>.*)|Match[ \t].*?\b(?:original)?host[ \t=]+(?<match>\S+))/gim

/**
 * How this person would connect. A target that ssh knows by the same name has its user, its port and its
 * jump hosts there; any other is reached at the server's own address.
 */
export function sshCommand(name: string, host: string, config: string): string {
  const said = [...config.matchAll(SAID)].map(({ groups }) => groups?.hosts ?? groups?.match ?? '')
  const names = said.flatMap(text => text.split(/[\s,]+/))
  return `ssh ${names.includes(name) ? name : host}`
}

/** Empty if there is none, or none that can be read: then ssh says so. */
export function readSshConfig(): string {
  try {
    return readFileSync(join(homedir(), '.ssh', 'config'), 'utf8')
  } catch {
    return ''
  }
}
