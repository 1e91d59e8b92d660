import * as v from 'valibot'
import type { ValidationSettings } from '../core/directory.ts'
import { isToldOnce, secretKeys, toldTwice, toSecret, untold } from './openers.ts'
import { list, table } from './tables.ts'
import * as value from './values.ts'

/** The `[yubikey]` table: validation servers, for tokens whose key this server does not have. */

/** More could not all be asked in the time that a client waits. */
const SERVERS_MAX = 5

const SERVERS = 'write one to five URLs, such as ["https://api.yubico.com/wsapi/2.0/verify"]'
const CLIENT = 'write the number that the validation server gave you with its key'

export const validationSchema = v.pipe(
  table({
    servers: v.pipe(
      list(value.web, SERVERS),
      v.minLength(1, SERVERS),
      v.maxLength(SERVERS_MAX, SERVERS),
    ),
    client_id: v.pipe(v.number(CLIENT), v.integer(CLIENT), v.minValue(0, CLIENT)),
    ...secretKeys('key'),
  }),
  v.check(raw => isToldOnce(raw, 'key'), toldTwice('key')),
  v.check(raw => toSecret(raw, 'key') !== undefined, untold('key')),
  v.transform(
    (raw): ValidationSettings => ({
      servers: raw.servers,
      clientId: raw.client_id,
      key: toSecret(raw, 'key')!,
    }),
  ),
)
