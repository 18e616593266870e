import assert from 'node:assert/strict'

const GUID_BYTES = 16

/**
 * The text of an objectGUID. The first three of its five fields are stored with their bytes turned
 * around.
 *
 * @see [MS-DTYP] section 2.3.4
 */
export function printGuid(bytes: Buffer): string {
  assert.equal(bytes.length, GUID_BYTES, 'an objectGUID has 16 bytes')
  const hex = turned(bytes).toString('hex')
  return [[0, 8], [8, 12], [12, 16], [16, 20], [20]]
    .map(([from, to]) => hex.slice(from, to))
    .join('-')
}

/** The bytes of an objectGUID by its text. */
export function parseGuid(text: string): Buffer {
  const bytes = Buffer.from(text.replaceAll('-', ''), 'hex')
  assert.equal(bytes.length, GUID_BYTES, 'a GUID has 32 hexadecimal digits')
  return turned(bytes)
}

/** There and back again. */
function turned(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes)
  copy.subarray(0, 4).reverse()
  copy.subarray(4, 6).reverse()
  copy.subarray(6, 8).reverse()
  return copy
}
