import { isName, NAME_RULE, parseAddress, parseNetwork, scopeOf } from '@oneknock/shared'
import * as v from 'valibot'
import { DAYS, type Schedule } from '../core/schedule.ts'
import { formatDuration, parseDuration } from './duration.ts'
import { parseEndpoint, parseListen, parsePort } from './places.ts'
import { list, parsed, table } from './tables.ts'

/** The kinds of value that configuration and user files hold. Each message says what would be right. */

export const flag = v.boolean('write true or false')

export const name = parsed(text => (isName(text) ? text : undefined), NAME_RULE)

export const port = parsed(parsePort, 'write a protocol and a port, such as "tcp/22" or "udp/53"')

export const ports = list(port, 'write a list of ports, such as ["tcp/22"]')

const NETWORK = 'an address or network, such as "192.0.2.7" or "10.0.0.0/8"'
const network = parsed(parseNetwork, `write ${NETWORK}`)

export const networks = list(network, `write a list, each ${NETWORK}`)

const LISTEN = 'an address and a port, such as "[::]:62201" or "0.0.0.0:8443"'
export const listen = parsed(parseListen, `write ${LISTEN}`)

export const listens = list(listen, `write a list, each ${LISTEN}`)

export const endpoint = parsed(
  text => parseEndpoint(text),
  'write a host and a port, such as "127.0.0.1:443" or "db.example.com:5432"',
)

/** What strangers must not reach: numbers for this host's own monitoring. */
export const loopback = parsed(text => {
  const place = parseListen(text)
  const address = place && parseAddress(place.host)
  return address && scopeOf(address) === 'loopback' ? place : undefined
}, 'write a loopback address and a port, such as "127.0.0.1:9105" or "[::1]:9105"')

/** Another server, to which secrets go or whose word counts. */
export const web = parsed(text => {
  if (!URL.canParse(text)) return undefined
  const { protocol, hostname, username, password } = new URL(text)
  const address = parseAddress(hostname.replace(/^\[|\]$/g, ''))
  const isHere = hostname === 'localhost' || (address && scopeOf(address) === 'loopback')
  const isSafe = protocol === 'https:' || (protocol === 'http:' && isHere)
  return isSafe && username === '' && password === '' ? text : undefined
}, 'write an https address; http is for this host alone')

/** As useradd(8) takes them, or a number. */
const ACCOUNT = /^([a-z_][a-z0-9_-]{0,30}\$?|\d{1,10})$/

export const account = parsed(
  text => (ACCOUNT.test(text) ? text : undefined),
  'write the name of an account, such as "backup"',
)

export const group = parsed(
  text => (ACCOUNT.test(text) ? text : undefined),
  'write the name of a group, such as "wheel", or its number',
)

export const path = parsed(
  text => (text.startsWith('/') && !text.includes('\0') ? text : undefined),
  'write a full path, such as "/run/oneknock/helper.sock"',
)

/** Milliseconds. */
export const duration = (least: number, most: number) =>
  parsed(
    text => {
      const ms = parseDuration(text)
      return ms !== undefined && ms >= least && ms <= most ? ms : undefined
    },
    `write a duration from "${formatDuration(least)}" to "${formatDuration(most)}", such as "30s", "5m" or "2h"`,
  )

/** A prefix length in the family's own terms. */
export const prefix = (least: number, most: number) => {
  const message = `write a prefix length from ${least} to ${most}`
  return v.pipe(
    v.number(message),
    v.integer(message),
    v.minValue(least, message),
    v.maxValue(most, message),
  )
}

const COMMAND = '["/usr/bin/systemctl", "start", "backup"]'

/** A command without a shell: no PATH is searched, so that nobody else's program is found on it. */
export const command = v.pipe(
  list(
    parsed(text => (text.includes('\0') ? undefined : text), 'write a text without NUL characters'),
    `write a list, such as ${COMMAND}`,
  ),
  v.forward(
    v.check(
      ([program]) => program === undefined || program.startsWith('/'),
      `write the program with its full path, such as ${COMMAND}`,
    ),
    [0],
  ),
)

const DAY_NAMES = 'write days such as ["mon", "tue"], of sun mon tue wed thu fri sat'
const days = list(v.picklist(DAYS, DAY_NAMES), DAY_NAMES)

const HOURS = /^([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)$/
const hours = parsed(text => {
  const [, fromHour, fromMinute, untilHour, untilMinute] = HOURS.exec(text) ?? []
  if (fromHour === undefined) return undefined
  const from = Number(fromHour) * 60 + Number(fromMinute)
  const until = Number(untilHour) * 60 + Number(untilMinute)
  return until <= DAY_MINUTES ? { from, until } : undefined
}, 'write hours such as "08:00-18:00"; "22:00-06:00" passes midnight')

const DAY_MINUTES = 24 * 60

const zone = parsed(text => {
  try {
    return new Intl.DateTimeFormat('en-US', { timeZone: text }).resolvedOptions().timeZone && text
  } catch {
    return undefined
  }
}, 'write the name of a time zone, such as "Europe/Berlin" or "UTC"')

/** When something may be opened; what is left out means always. */
export const schedule = v.pipe(
  table({
    days: v.optional(days, [...DAYS]),
    hours: v.optional(hours, '00:00-24:00'),
    zone,
  }),
  v.transform(
    (raw): Schedule => ({
      days: new Set(raw.days.map(day => DAYS.indexOf(day))),
      ...raw.hours,
      zone: raw.zone,
    }),
  ),
)
