/** Longer than any that a person reads, and short enough for a message or an invitation. */
const URL_MAX = 255

/**
 * The address of a server's HTTP door, without a slash at its end; a path is for a proxy that leads to
 * the door by one. Plain http is as good for a packet, which is sealed itself; TLS is for the pages.
 */
export function parseDoorUrl(text: string): string | undefined {
  if (text.length > URL_MAX || !/^https?:\/\/[^\s"'<>?#@\\]+$/.test(text)) return undefined
  return URL.canParse(text) ? text.replace(/\/+$/, '') : undefined
}
