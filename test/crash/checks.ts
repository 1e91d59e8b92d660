import type { GrantView } from '../../server/src/administration/views.ts'
import type { Site } from '../daemon/site.ts'
import { until } from '../server/kit.ts'
import type { Door } from './doors.ts'
import type { Random } from './random.ts'
import type { Traffic } from './traffic.ts'
import type { Witness } from './witness.ts'

/** What is promised for the end of a grant, and what the clients' own reckoning may be off by. */
const TOLERANCE_MS = 1_000
/** The administrator is told whole seconds, rounded down. */
const ROUNDED_MS = 1_000
/** Commands run on a busy machine: how late they are is measured, not judged. */
const COMMAND_LIMIT_MS = 10_000
/** How long a packet stays fresh, and its hint in the tables. */
const FRESH_MS = 125_000
/** So many datagrams fit in the receive buffer of any machine. */
const BATCH = 40
const REPLAYED_MAX = 400
const CODES_TRIED_AGAIN = 3
/** Doors knocked at in one look. */
const DOORS_TRIED = 12

interface Status {
  readonly packets: Readonly<Record<string, number>>
}

const SILENT = ['hint', 'stale', 'floor', 'replay']

/** Sends again what was answered, from who sent it; how many. Nothing but silence may come of it. */
export async function replay(
  site: Site,
  witness: Witness,
  traffic: readonly Traffic[],
  random: Random,
): Promise<number> {
  const answered = witness.answeredSince(Date.now() - FRESH_MS)
  const chosen = answered.filter(() => random.happens(REPLAYED_MAX / answered.length))
  const before = await counts(site)
  const sum = (seen: Status['packets']) => Object.values(seen).reduce((a, b) => a + b)
  let sent = 0
  for (; sent < chosen.length; ) {
    for (const packet of chosen.slice(sent, sent + BATCH)) {
      random.of(traffic).replay(packet)
      sent++
    }
    await until(
      () => counts(site),
      seen => sum(seen) - sum(before) >= sent,
    )
  }
  const after = await counts(site)
  for (const [name, count] of Object.entries(after)) {
    if (!SILENT.includes(name) && count !== before[name]) {
      witness.violations.push(`of ${sent} replays some came to ${name}`)
    }
  }
  return sent
}

const counts = async (site: Site): Promise<Status['packets']> =>
  (await site.ask<Status>({ command: 'status' })).packets

/** Codes that were accepted before are refused, or too old. */
export async function tryCodesAgain(witness: Witness, trafficOf: (name: string) => Traffic) {
  for (const open of witness.usedCodes().slice(0, CODES_TRIED_AGAIN)) {
    await trafficOf(open.party.person.name).useAgain(open)
  }
}

/** What the daemon says is granted is what the clients were told. */
export async function checkGrants(site: Site, witness: Witness): Promise<void> {
  const promised = witness.promised(Date.now() + TOLERANCE_MS)
  // What is over by now is not in the answer, however long that takes to come.
  const asked = Date.now()
  const listed = await site.ask<readonly GrantView[]>({ command: 'grants' })
  const grants = listed.filter(({ state }) => state === 'open')
  const now = Date.now()
  for (const { open, service, until } of promised) {
    const held = grants.some(
      grant =>
        grant.user === open.party.person.name &&
        grant.services.includes(service) &&
        grant.addresses.includes(open.party.address) &&
        Date.parse(grant.until) + ROUNDED_MS >= until - TOLERANCE_MS,
    )
    if (!held) witness.violated(`an acknowledged grant is gone, ${until - now} ms early`, open)
  }
  for (const { user, until } of grants) {
    const late = asked - Date.parse(until) - ROUNDED_MS
    if (late > TOLERANCE_MS) witness.violations.push(`a grant of ${user} lives on for ${late} ms`)
  }
}

/** Doors are open for whom they were promised to be, and for nobody else. How late the last one closed. */
export async function checkDoors(
  witness: Witness,
  doors: readonly Door[],
  random: Random,
): Promise<number> {
  const addresses = [...new Set(witness.parties.map(({ address }) => address))]
  const tried = addresses.filter(() => random.happens(DOORS_TRIED / addresses.length))
  const lates: number[] = []
  for (const door of doors) {
    const before = tried.map(address => expectation(witness, door, address))
    await door.look?.()
    for (const [i, address] of tried.entries()) {
      const isOpen = await door.isOpen(address)
      // Knocks go on meanwhile: only what was so before and is so still can be judged.
      const after = expectation(witness, door, address)
      const broken = before[i]!.promised.find(open => after.promised.includes(open))
      if (!isOpen && broken) witness.violated(`the door of ${door.service} is shut`, broken)
      if (isOpen && before[i]!.overdue && after.overdue) {
        lates.push(await lateness(witness, door, address))
      }
    }
  }
  return Math.max(0, ...lates)
}

function expectation(witness: Witness, { service }: Door, address: string) {
  const promised = witness
    .promised(Date.now())
    .filter(claim => claim.service === service && claim.open.party.address === address)
  return {
    promised: promised.map(({ open }) => open),
    overdue: Date.now() - witness.possibleUntil(service, address) > TOLERANCE_MS,
  }
}

/** A door is open that should not be. Commands may be on their way; nothing else may take longer. */
async function lateness(witness: Witness, door: Door, address: string): Promise<number> {
  const possible = witness.possibleUntil(door.service, address)
  const closes = async () => {
    await door.look?.()
    return !(await door.isOpen(address))
  }
  const limit = door.runsCommands ? COMMAND_LIMIT_MS : 0
  const allowed = possible > 0 ? ` after ${new Date(possible).toISOString()}` : ''
  await until(closes, Boolean, limit).catch(() =>
    witness.violations.push(`the door of ${door.service} is open for ${address}${allowed}`),
  )
  return possible === 0 ? 0 : Date.now() - possible
}
