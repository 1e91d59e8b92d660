/** What stands for the device in a knock that came without a packet, through a door such as HTTP. */
export const doorDevice = (user: string, door: string): string => `${user}/@${door}`

/** Devices' labels are names, and a name has no `@`. */
export const isDoor = (device: string): boolean => device.includes('/@')
