import { randomBytes } from 'node:crypto'
import { fromHex, toHex } from '@oneknock/shared'
import { ownCommand } from '../config/command.ts'
import { isOnline, type LocalYubiKey, type User, type YubiKey } from '../core/directory.ts'
import {
  fromModhex,
  PRIVATE_ID_BYTES,
  PUBLIC_ID_CHARS,
  parseYubiKeyOtp,
  toModhex,
} from '../core/yubikey.ts'
import { addYubiKey as addToText, removeYubiKey as removeFromText } from '../users/edit.ts'
import { AES_KEY_BYTES } from '../users/schema.ts'
import { byLabel, unknownServiceMessage } from '../users/user.ts'
import { askUnechoed, readInput } from './ask-secret.ts'
import { editUser } from './edit-user.ts'
import { checkName } from './enrol.ts'
import { Failure } from './failure.ts'
import { statusOfChange } from './notify.ts'
import { print, printJson } from './output.ts'
import { openSettings } from './settings.ts'
import { findUser } from './users.ts'

export interface YubiKeyOptions {
  readonly config: string
  readonly json?: boolean
  /** Make new ids and a new key, and print them for the token. */
  readonly generate?: boolean
  /** A validation server knows its key. */
  readonly online?: boolean
  readonly services?: readonly string[]
}

/** Gives a user a token; its secrets come unechoed or from standard input, never as arguments. */
export async function addYubiKey(
  name: string,
  label: string,
  options: YubiKeyOptions,
): Promise<number> {
  const config = await openSettings(options.config)
  checkName('YubiKey', label)
  const { services } = options
  const user = await findUser(config, name)
  checkFree(user, label)
  if (services) checkServices(services, user)
  if (options.online && !config.yubikey) {
    throw new Failure(
      `${config.file} names no validation server: write [yubikey] first, or leave --online out`,
    )
  }
  const token: YubiKey = { label, ...(await secretsOf(options)), ...(services && { services }) }
  await editUser(config, name, {
    wanted: before => {
      checkFree(before, label)
      const { yubikeys = [] } = before
      const same = yubikeys.find(({ publicId }) => publicId === token.publicId)
      if (same) throw new Failure(`${name} has it already, as ${same.label}`)
      return { ...before, yubikeys: [...yubikeys, token].toSorted(byLabel) }
    },
    text: async before => addToText(before, token),
  })
  if (options.json) printJson(described(name, token, options))
  else print(`${name} has a YubiKey "${label}" now, ${token.publicId}.\n${toWrite(token, options)}`)
  return statusOfChange(config)
}

/** A lost token is no good any more, at once. */
export async function removeYubiKey(
  name: string,
  label: string,
  options: YubiKeyOptions,
): Promise<number> {
  const config = await openSettings(options.config)
  await editUser(config, name, {
    wanted: before => {
      const { yubikeys = [], ...rest } = before
      const left = yubikeys.filter(one => one.label !== label)
      if (left.length === yubikeys.length) {
        throw new Failure(
          `${name} has no YubiKey ${label}; see: ${ownCommand(`user show ${name}`)}`,
        )
      }
      return left.length > 0 ? { ...rest, yubikeys: left } : rest
    },
    text: before => removeFromText(before, label),
  })
  if (options.json) printJson({ user: name, yubikey: label })
  else print(`${name} has no YubiKey "${label}" any more.\n`)
  return statusOfChange(config)
}

function checkFree({ name, yubikeys = [] }: User, label: string): void {
  if (!yubikeys.some(one => one.label === label)) return
  throw new Failure(
    `${name} has a YubiKey ${label} already; remove it first, or take another label`,
  )
}

function checkServices(services: readonly string[], user: User): void {
  const may = new Map(user.services.map(name => [name, name]))
  const unknown = services.find(name => !may.has(name))
  if (unknown === undefined) return
  throw new Failure(
    `--services: ${user.name} may not open ${unknown}: ${unknownServiceMessage(unknown, may)}`,
  )
}

type Secrets = Omit<LocalYubiKey, 'label' | 'services'> | { publicId: string; online: true }

function secretsOf({ generate, online }: YubiKeyOptions): Promise<Secrets> {
  if (online) return publicIdAlone()
  return generate ? Promise.resolve(generated()) : told()
}

/** `vv`: never the public id of a token as the maker sells it, which begin with `cc`. */
const OWN_PREFIX = 0xff

function generated(): Secrets {
  const random = (bytes: number) => new Uint8Array(randomBytes(bytes))
  const publicId = random(PUBLIC_ID_CHARS / 2)
  publicId[0] = OWN_PREFIX
  return {
    publicId: toModhex(publicId),
    privateId: random(PRIVATE_ID_BYTES),
    key: random(AES_KEY_BYTES),
  }
}

const PUBLIC_ID = 'the public id: 12 letters of cbdefghijklnrtuv'

const isPublicId = (text: string): boolean =>
  text.length === PUBLIC_ID_CHARS && fromModhex(text) !== undefined

/** Whoever holds the token need not type it: a touch says it too. */
async function publicIdAlone(): Promise<Secrets> {
  const [line = ''] = process.stdin.isTTY
    ? [await askUnechoed('Touch the YubiKey, or type its public id: ', '')]
    : await readInput()
  const publicId = parseYubiKeyOtp(line.trim())?.publicId || line.trim()
  if (!isPublicId(publicId)) throw new Failure(`that is not ${PUBLIC_ID}`)
  return { publicId, online: true }
}

/** How the vendor's programs call each, and what it is. */
const PARTS = [
  { names: /public id|^fixed\b/i, what: PUBLIC_ID },
  {
    names: /private id|^uid\b/i,
    what: `the private id: ${2 * PRIVATE_ID_BYTES} hexadecimal digits`,
  },
  { names: /secret key|^key\b/i, what: `the secret key: ${2 * AES_KEY_BYTES} hexadecimal digits` },
] as const

async function told(): Promise<Secrets> {
  const [publicId, privateId, key] = process.stdin.isTTY
    ? await askParts()
    : partsIn(await readInput())
  const privateBytes = fromHex(privateId ?? '')
  const keyBytes = fromHex(key ?? '')
  // Never the text itself: what stands in the wrong place may be the key.
  if (publicId === undefined || !isPublicId(publicId))
    throw new Failure(`that is not ${PARTS[0].what}`)
  if (privateBytes?.length !== PRIVATE_ID_BYTES) throw new Failure(`that is not ${PARTS[1].what}`)
  if (keyBytes?.length !== AES_KEY_BYTES) throw new Failure(`that is not ${PARTS[2].what}`)
  return { publicId, privateId: privateBytes, key: keyBytes }
}

async function askParts(): Promise<string[]> {
  const answers: string[] = []
  for (const { what } of PARTS) {
    const answer = await askUnechoed(`${what[0]!.toUpperCase()}${what.slice(1)}: `, '')
    answers.push(lastWord(answer))
  }
  return answers
}

/** Lines as `ykman otp yubiotp` or `ykpersonalize -v` print them; without names, in that order. */
function partsIn(lines: readonly string[]): (string | undefined)[] {
  const written = lines.filter(line => line.trim() !== '')
  if (written.every(line => !line.trim().includes(' '))) return written.map(lastWord)
  return PARTS.map(({ names }) => {
    const line = written.find(line => names.test(line.slice(0, line.lastIndexOf(':'))))
    return line === undefined ? undefined : lastWord(line)
  })
}

/** The last word; ykpersonalize puts its kind before it, as in `m:cccc` and `h:00ff`. */
const lastWord = (line: string): string =>
  line.trim().split(/\s+/).at(-1)!.replace(/^.*:/, '').toLowerCase()

const described = (user: string, token: YubiKey, { generate }: YubiKeyOptions) => ({
  user,
  yubikey: token.label,
  public_id: token.publicId,
  online: isOnline(token),
  ...(token.services && { services: token.services }),
  ...(generate &&
    !isOnline(token) && { private_id: toHex(token.privateId), key: toHex(token.key) }),
})

/** For a token that is still to be written. */
function toWrite(token: YubiKey, { generate }: YubiKeyOptions): string {
  if (!generate || isOnline(token)) return ''
  return `Write this into it, where it is plugged in; it is a secret, and not shown again:

ykman otp yubiotp --public-id ${token.publicId} --private-id ${toHex(token.privateId)} --key ${toHex(token.key)} 1
`
}
