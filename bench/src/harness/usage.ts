/** What a process has used of its processor, by its own account. */
export interface Usage {
  readonly cpuMs: number
}

export function usage(): Usage {
  const { user, system } = process.cpuUsage()
  return { cpuMs: (user + system) / 1000 }
}
