/** Windows has no shell that would let a stopped program go on. */
export const CAN_SUSPEND = process.platform !== 'win32'
