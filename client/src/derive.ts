import { hkdfSync } from 'node:crypto'
import { type DerivedKeys, KEY_BYTES, KEY_INFO, KEY_SALT } from '@oneknock/shared'

/** What `deriveKeys` of the protocol gives, by Node's own HKDF: that one first has to be compiled. */
export function deriveKeys(deviceKey: Uint8Array): DerivedKeys {
  const derive = (info: Uint8Array) =>
    new Uint8Array(hkdfSync('sha256', deviceKey, KEY_SALT, info, KEY_BYTES))
  return {
    hint: derive(KEY_INFO.hint),
    knockEncrypt: derive(KEY_INFO.knockEncrypt),
    knockAuthenticate: derive(KEY_INFO.knockAuthenticate),
    replyEncrypt: derive(KEY_INFO.replyEncrypt),
    replyAuthenticate: derive(KEY_INFO.replyAuthenticate),
  }
}
