/** What strangers may take up at the HTTP door. Each bound holds before anything is judged. */

/** Connections at once: with buffers and TLS some 50 KiB each, so 50 MiB at the very most. */
export const CONNECTIONS_MAX = 1_000
/** Of one IPv4 address or IPv6 /64: a browser opens six, and an office behind one address a few times that. */
export const CONNECTIONS_PER_SOURCE = 64
/** Connections that wait in the kernel while the loop is busy; it caps it at net.core.somaxconn, 4096. */
export const BACKLOG = 4_096
/** Milliseconds from connecting to the end of the request: a code typed blind takes its time. */
export const CONNECTION_MS = 30_000
/** The same, once it is known to be HTTP: programs send their requests at once. */
export const REQUEST_MS = 10_000
/** For an answer that waits for somebody's yes, which it can do for nine minutes: a right code came first. */
export const ANSWER_MS = 600_000
/** For what is left to be sent, when all has been answered: it fits one segment or two. */
export const CLOSING_MS = 3_000
/** The request line and all headers. Browsers send less than 2 KiB where there are no cookies. */
export const HEADER_BYTES = 8 * 1024
/** A form with a code takes 200 bytes, a packet 256. */
export const BODY_BYTES = 4 * 1024
/** What is searched for a code where no HTTP is spoken. */
export const BLIND_BYTES = 16 * 1024
/** One, so that nothing is kept between two, nor can one be smuggled behind another. */
export const REQUESTS_PER_CONNECTION = 1

/**
 * TLS handshakes that one source may begin at once, and milliseconds until it earns one more: each takes
 * the loop some 2 ms with an RSA key, in which no knock is judged. To ask and be answered takes one.
 */
export const HANDSHAKES_PER_SOURCE = 30
export const SOURCE_HANDSHAKE_MS = 500
/** The same of all sources together: a tenth of a processor at the most. */
export const HANDSHAKES_MAX = 100
export const HANDSHAKE_MS = 20

/** Codes that one source may try at once, and milliseconds until it earns one more. Right ones are given back. */
export const TRIES = 20
export const TRY_MS = 10_000
/** Sources that are remembered, some 200 bytes each. */
export const SOURCES_MAX = 10_000
/**
 * What is refused is answered at a multiple of it, milliseconds: whether a line was written meanwhile,
 * as for those who exist, takes the disk far less, and does not show.
 */
export const REFUSAL_MS = 300
/** Answers that wait for somebody's yes, or have it; each has cost a right code. */
export const WAITING_MAX = 1_000
/** Seconds until a page that waits looks again. */
export const LOOK_AGAIN_S = 3
