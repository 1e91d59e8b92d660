import { type Address, parseAddress } from '@oneknock/shared'

/** As many different addresses as there are numbers, in a network that nobody is in (RFC 2544). */
export const inTurn = (number: number): Address => address('198.18', number)

/** Addresses of this host, each as good as any other: a loopback interface has all of 127.0.0.0/8. */
export const loopback = (number: number): Address => address('127.77', number)

export const address = (start: string, number: number): Address =>
  parseAddress(`${start}.${(number >> 8) & 255}.${number & 255}`)!
