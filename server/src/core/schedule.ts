/** When something may be opened: on these days between these times, by the clock of this zone. */
export interface Schedule {
  /** 0 = Sunday. If the hours pass midnight, the day on which they begin. */
  readonly days: ReadonlySet<number>
  /** Minutes since midnight; `until` at or before `from` means on the next day. */
  readonly from: number
  readonly until: number
  /** An IANA name, such as `Europe/Berlin`. */
  readonly zone: string
}

export const DAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'] as const
const DAY_MINUTES = 24 * 60
const MINUTE_MS = 60_000

/**
 * Milliseconds from now until the schedule closes; 0 if it is closed now. On the night that clocks
 * change this counts by the wall: what is granted then may end an hour off.
 */
export function openFor(schedule: Schedule, nowMs: number): number {
  const { day, minute } = localTime(schedule.zone, nowMs)
  const intoMinute = nowMs % MINUTE_MS
  const minutes = minutesLeft(schedule, day, minute)
  return minutes === 0 ? 0 : minutes * MINUTE_MS - intoMinute
}

function minutesLeft({ days, from, until }: Schedule, day: number, minute: number): number {
  const length = until > from ? until - from : until - from + DAY_MINUTES
  // The window that began today, or the one that began yesterday and passes midnight.
  for (const [begun, into] of [
    [day, minute - from],
    [(day + 6) % 7, minute - from + DAY_MINUTES],
  ] as const) {
    if (!days.has(begun) || into < 0 || into >= length) continue
    return length - into + (length === DAY_MINUTES ? wholeDaysAfter(days, begun) * DAY_MINUTES : 0)
  }
  return 0
}

/** Days that follow without a gap, if each lasts the whole day: a weekend is one window. */
function wholeDaysAfter(days: ReadonlySet<number>, day: number): number {
  let count = 0
  while (count < 6 && days.has((day + count + 1) % 7)) count++
  return count
}

const formats = new Map<string, Intl.DateTimeFormat>()

function localTime(zone: string, ms: number): { day: number; minute: number } {
  let format = formats.get(zone)
  if (!format) {
    format = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      weekday: 'short',
      hour: 'numeric',
      minute: 'numeric',
      hourCycle: 'h23',
    })
    formats.set(zone, format)
  }
  const parts = Object.fromEntries(format.formatToParts(ms).map(({ type, value }) => [type, value]))
  const day = DAYS.indexOf(parts.weekday!.toLowerCase() as (typeof DAYS)[number])
  return { day, minute: Number(parts.hour) * 60 + Number(parts.minute) }
}
