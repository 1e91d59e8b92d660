import {
  fromBase64Url,
  fromHex,
  isName,
  KEY_BYTES,
  NAME_RULE,
  parseTotpSecret,
} from '@oneknock/shared'
import { TomlDate } from 'smol-toml'
import * as v from 'valibot'
import { contactSchema } from '../config/channels.ts'
import { lifetime } from '../config/schema.ts'
import { list, parsed, table, tableOf } from '../config/tables.ts'
import { flag, networks, schedule } from '../config/values.ts'
import { RECOVERY_HASH_BYTES, RECOVERY_SALT_BYTES } from '../core/recovery.ts'
import { fromModhex, PRIVATE_ID_BYTES, PUBLIC_ID_MAX_CHARS } from '../core/yubikey.ts'
import { parseSshKey } from './ssh-key.ts'

/** RFC 4226 section 4, requirement 6: a secret has at least 128 bits. */
const TOTP_SECRET_MIN = 16
/** HMAC-SHA-1's block: a longer secret is hashed down, and adds nothing. */
const TOTP_SECRET_MAX = 64

/** AES-128 is what YubiKeys have. */
export const AES_KEY_BYTES = 16

const deviceSchema = table({
  key: parsed(
    text => ofLength(fromBase64Url(text), KEY_BYTES, KEY_BYTES),
    'write 43 characters of base64url; `oneknockd device add` makes a key',
  ),
  enrolled: v.pipe(
    v.instance(TomlDate, 'write a time with its zone, such as 2026-11-21T23:38:00Z'),
    v.check(
      date => date.isDateTime() && !date.isLocal(),
      'write a time with its zone, such as 2026-11-21T23:38:00Z',
    ),
    v.transform(date => date.getTime()),
  ),
})

/** `salt:hash`, both base64url; the two in one array, 48 bytes. */
const recoverySchema = parsed(text => {
  const [salt, hash, ...rest] = text.split(':')
  if (salt === undefined || hash === undefined || rest.length > 0) return undefined
  const saltBytes = ofLength(fromBase64Url(salt), RECOVERY_SALT_BYTES, RECOVERY_SALT_BYTES)
  const hashBytes = ofLength(fromBase64Url(hash), RECOVERY_HASH_BYTES, RECOVERY_HASH_BYTES)
  if (!saltBytes || !hashBytes) return undefined
  const both = new Uint8Array(RECOVERY_SALT_BYTES + RECOVERY_HASH_BYTES)
  both.set(saltBytes)
  both.set(hashBytes, RECOVERY_SALT_BYTES)
  return both
}, 'write "SALT:HASH" in base64url, 22 and 43 characters; `oneknockd user add` makes them')

const hex = (bytes: number) =>
  parsed(
    text => ofLength(fromHex(text), bytes, bytes),
    `write ${2 * bytes} hexadecimal digits, as they were written into the token`,
  )

const SERVICES = 'write a list, such as ["ssh"]'
const services = list(v.string('write the name of a service'), SERVICES)

const ONLINE_OR_NOT =
  'write private_id and key, as they were written into the token, or online = true, to have a validation server asked'

const yubikeySchema = v.pipe(
  table({
    public_id: parsed(
      text => (text.length <= PUBLIC_ID_MAX_CHARS && fromModhex(text) ? text : undefined),
      'write what the token types before each OTP, such as cccccccccccc',
    ),
    private_id: v.optional(hex(PRIVATE_ID_BYTES)),
    key: v.optional(hex(AES_KEY_BYTES)),
    online: v.optional(flag, false),
    services: v.optional(services),
  }),
  v.check(
    ({ private_id, key, online }) =>
      online ? !private_id && !key : private_id !== undefined && key !== undefined,
    ONLINE_OR_NOT,
  ),
)

const SSH_KEY = 'a public key as ssh-keygen writes it, such as "ssh-ed25519 AAAA… anna@laptop"'
const sshKey = parsed(parseSshKey, `write ${SSH_KEY}`)

/** What stands in a user's file. */
export const userSchema = table({
  services,
  locked: v.optional(flag, false),
  other_address: v.optional(flag, false),
  max_lifetime: v.optional(lifetime),
  schedule: v.optional(schedule),
  networks: v.optional(networks),
  totp: v.optional(
    table({
      secret: parsed(
        text => ofLength(parseTotpSecret(text), TOTP_SECRET_MIN, TOTP_SECRET_MAX),
        'write at least 26 characters of base32 (a-z, 2-7)',
      ),
    }),
  ),
  recovery: v.optional(list(recoverySchema, 'write a list of "SALT:HASH"'), []),
  devices: v.optional(tableOf(isName, NAME_RULE, deviceSchema), {}),
  ssh_keys: v.optional(list(sshKey, `write a list, each ${SSH_KEY}`), []),
  contact: v.optional(contactSchema),
  yubikeys: v.optional(tableOf(isName, NAME_RULE, yubikeySchema), {}),
})

const ofLength = (bytes: Uint8Array | undefined, least: number, most: number) =>
  bytes && bytes.length >= least && bytes.length <= most ? bytes : undefined
