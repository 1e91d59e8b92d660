/**
 * Datagrams that wait while the daemon is busy. The kernel's usual 208 KiB lost two thirds of a burst
 * of 500; this keeps thousands. The kernel caps it at net.core.rmem_max.
 */
export const RECEIVE_BUFFER_BYTES = 8 * 1024 * 1024
