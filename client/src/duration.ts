const UNITS: readonly (readonly [string, number])[] = [
  ['d', 86_400],
  ['h', 3_600],
  ['m', 60],
  ['s', 1],
]
const DURATION = /^(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?$/
/** What the packet's field holds. */
const SECONDS_MAX = 2 ** 32 - 1

export const DURATION_RULE = 'a time such as 30s, 10m, 1h or 1h30m'

/** Whole seconds, more than none; `undefined` if the text is no such time. */
export function parseDuration(text: string): number | undefined {
  const amounts = DURATION.exec(text)?.slice(1) ?? []
  const seconds = amounts.reduce((sum, amount, i) => sum + Number(amount ?? 0) * UNITS[i]![1], 0)
  return seconds > 0 && seconds <= SECONDS_MAX ? seconds : undefined
}

export function formatDuration(seconds: number): string {
  let left = Math.max(0, Math.round(seconds))
  let text = ''
  for (const [unit, length] of UNITS) {
    const amount = Math.floor(left / length)
    if (amount > 0) text += `${amount}${unit}`
    left -= amount * length
  }
  return text || '0s'
}
