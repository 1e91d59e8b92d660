import { type InvitationError, NAME_RULE } from '@oneknock/shared'

const PARTS: Readonly<Record<InvitationError['part'], string>> = {
  scheme: 'it does not begin with oneknock://',
  host: 'its host is neither a name nor an address',
  port: 'its port is not a number of 1 to 65535',
  version: 'its version (v) is not 1: a newer oneknock may read it',
  name: `its server's name is none: ${NAME_RULE}`,
  user: `its user is no name: ${NAME_RULE}`,
  device: `its device is no name: ${NAME_RULE}`,
  key: 'its key is missing or cut short',
  http: 'its HTTP address (http) begins with neither https:// nor http://',
  services: `its services are no names: ${NAME_RULE}`,
}

/** What is wrong with an invitation, and what to do next; never what stood there. */
export const whyNoInvitation = ({ part }: InvitationError): string =>
  `this is no invitation: ${PARTS[part]}; paste the whole line, or ask for a new one`
