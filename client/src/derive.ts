import { hkdfSync } from 'node:crypto'
import { type DerivedKeys, KEY_BYTES, KEY_INFO, KEY_SALT, keysBy } from '@oneknock/shared'

/** What `deriveKeys` of the protocol gives, by Node's own HKDF: that one first has to be compiled. */
export const deriveKeys = (deviceKey: Uint8Array): DerivedKeys =>
  keysBy(name => new Uint8Array(hkdfSync('sha256', deviceKey, KEY_SALT, KEY_INFO[name], KEY_BYTES)))
