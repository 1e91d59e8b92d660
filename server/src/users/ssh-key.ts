/** Bytes of an ed25519 public key. */
const ED25519 = 32
/** Bits of an RSA modulus: what sshd takes since OpenSSH 9.1 is less, what anybody still makes is not. */
const RSA_MIN_BITS = 2_048
/** SEC 1: an uncompressed point, which is all that OpenSSH writes. */
const UNCOMPRESSED = 0x04

type Field = Buffer
type IsRight = (...fields: readonly Field[]) => boolean

const isEd25519: IsRight = (key, ...rest) => key?.length === ED25519 && rest.length === 0

const isEcdsa =
  (curve: string, pointBytes: number): IsRight =>
  (name, point, ...rest) =>
    name?.toString('latin1') === curve &&
    point?.length === pointBytes &&
    point[0] === UNCOMPRESSED &&
    rest.length === 0

const isRsa: IsRight = (exponent, modulus, ...rest) =>
  exponent !== undefined &&
  exponent.length > 0 &&
  modulus !== undefined &&
  modulus.length * 8 >= RSA_MIN_BITS &&
  rest.length === 0

/** A key on a token: the application (`ssh:`) comes last. */
const onToken =
  (isRight: IsRight): IsRight =>
  (...fields) =>
    (fields.at(-1)?.length ?? 0) > 0 && isRight(...fields.slice(0, -1))

/** What stands in the key after its type: RFC 4253 section 6.6, RFC 5656, RFC 8709, PROTOCOL.u2f. */
const KINDS: ReadonlyMap<string, IsRight> = new Map([
  ['ssh-ed25519', isEd25519],
  ['ssh-rsa', isRsa],
  ['ecdsa-sha2-nistp256', isEcdsa('nistp256', 65)],
  ['ecdsa-sha2-nistp384', isEcdsa('nistp384', 97)],
  ['ecdsa-sha2-nistp521', isEcdsa('nistp521', 133)],
  ['sk-ssh-ed25519@openssh.com', onToken(isEd25519)],
  ['sk-ecdsa-sha2-nistp256@openssh.com', onToken(isEcdsa('nistp256', 65))],
])

/**
 * A public key as `ssh-keygen` writes it: `ssh-ed25519 AAAA… comment`. Without the comment it comes
 * back, so that nothing of a user's file reaches authorized_keys but what is proven to be a key:
 * neither options before it nor a second line.
 */
export function parseSshKey(text: string): string | undefined {
  const [, kind = '', base64 = ''] =
    /^([a-z0-9@.-]+) ([A-Za-z0-9+/]+={0,2})(?: [^\n\r]*)?$/.exec(text) ?? []
  const blob = Buffer.from(base64, 'base64')
  const [type, ...fields] = fieldsOf(blob) ?? []
  const isRight = KINDS.get(kind)
  const isOne =
    isRight !== undefined &&
    blob.toString('base64') === base64 &&
    type?.toString('latin1') === kind &&
    isRight(...fields)
  return isOne ? `${kind} ${base64}` : undefined
}

/** RFC 4251 section 5: each with its length in four bytes before it; nothing may be left over. */
function fieldsOf(blob: Buffer): Field[] | undefined {
  const fields: Field[] = []
  let at = 0
  while (at < blob.length) {
    if (at + 4 > blob.length) return undefined
    const end = at + 4 + blob.readUInt32BE(at)
    if (end > blob.length) return undefined
    fields.push(blob.subarray(at + 4, end))
    at = end
  }
  return fields
}
