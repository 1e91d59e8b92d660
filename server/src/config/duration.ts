const UNITS = { d: 86_400_000, h: 3_600_000, m: 60_000, s: 1_000 } as const

/** `30s`, `5m`, `10h` or `7d`, in milliseconds; never nothing. */
export function parseDuration(text: string): number | undefined {
  const [, digits, unit] = /^([1-9]\d{0,8})([smhd])$/.exec(text) ?? []
  return digits === undefined ? undefined : Number(digits) * UNITS[unit as keyof typeof UNITS]
}

/** In the largest unit that says it exactly. Whole seconds only. */
export function formatDuration(ms: number): string {
  for (const [unit, size] of Object.entries(UNITS)) {
    if (ms % size === 0) return `${ms / size}${unit}`
  }
  return `${Math.round(ms / UNITS.s)}s`
}
