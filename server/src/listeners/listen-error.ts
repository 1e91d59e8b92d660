/** Why it cannot be listened there, in words for whoever reads them. */
export class ListenError extends Error {
  readonly code: 'in-use' | 'unavailable'

  constructor(code: ListenError['code'], message: string) {
    super(message)
    this.name = 'ListenError'
    this.code = code
  }
}

/** `key`: of the configuration, which names the place. */
export function listenError(
  error: NodeJS.ErrnoException,
  protocol: 'tcp' | 'udp',
  place: string,
  key: string,
): ListenError {
  const at = `${protocol} ${place}`
  switch (error.code) {
    case 'EADDRINUSE': {
      const lookUp = `ss -l${protocol[0]}np shows by whom`
      return new ListenError('in-use', `${at} is in use: ${lookUp}; change ${key}`)
    }
    case 'EADDRNOTAVAIL': {
      const why = 'this host has no such address'
      return new ListenError('unavailable', `cannot listen on ${at}: ${why}; change ${key}`)
    }
    default:
      return new ListenError('unavailable', `cannot listen on ${at}: ${error.message}`)
  }
}
