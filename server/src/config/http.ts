import { parseDoorUrl } from '@oneknock/shared'
import * as v from 'valibot'
import type { HttpSettings } from '../core/http.ts'
import { list, parsed, table, tableOf } from './tables.ts'
import * as value from './values.ts'

/** The `[http]` table: the door for those who cannot send our packet. */

const publicUrl = parsed(
  parseDoorUrl,
  'write how people reach this door, such as "https://gate.example.com:8975"',
)

const tlsSchema = table({ cert: value.path, key: value.path })

const isClientId = (text: string): boolean => /^(0|[1-9]\d{0,9})$/.test(text)
const CLIENT_ID = 'a client is a number, such as 1 = "/etc/oneknock/client-1.key"'

const validationSchema = table({ clients: tableOf(isClientId, CLIENT_ID, value.path) })

const LISTEN = 'write at least one address, such as ["[::]:8975"]'

export const httpSchema = v.pipe(
  table({
    listen: v.pipe(value.listens, v.minLength(1, LISTEN)),
    public: v.optional(publicUrl),
    tls: v.optional(tlsSchema),
    trusted_proxies: v.optional(value.networks, []),
    validation: v.optional(validationSchema),
    services: v.optional(list(value.name, 'write a list, such as ["wiki"]')),
  }),
  v.transform(
    (raw): HttpSettings => ({
      listen: raw.listen,
      public: raw.public,
      tls: raw.tls,
      trustedProxies: raw.trusted_proxies,
      services: raw.services,
      ...(raw.validation && { validation: raw.validation.clients }),
    }),
  ),
)
