import { readFileSync } from 'node:fs'

/** The number of one of this host's own groups; those of a directory service are given as a number. */
export function findGroup(name: string): number | undefined {
  if (/^\d+$/.test(name)) return Number(name)
  for (const line of readFileSync('/etc/group', 'utf8').split('\n')) {
    const [group, , gid] = line.split(':')
    if (group === name && gid) return Number(gid)
  }
  return undefined
}
