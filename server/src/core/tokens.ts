import type { Directory } from './directory.ts'

/**
 * Whose token types a public id, for doors where an OTP is all that somebody says. One look-up,
 * however many users there are; an id that two users have is nobody's.
 */
export class TokenOwners {
  readonly #ownersIn = new WeakMap<Directory, ReadonlyMap<string, string | undefined>>()

  of(directory: Directory, publicId: string): string | undefined {
    const known = this.#ownersIn.get(directory)
    if (known) return known.get(publicId)
    const owners = new Map<string, string | undefined>()
    for (const { name, yubikeys = [] } of directory.users.values()) {
      for (const { publicId: id } of yubikeys) owners.set(id, owners.has(id) ? undefined : name)
    }
    this.#ownersIn.set(directory, owners)
    return owners.get(publicId)
  }
}
