/** An answer, as far as it matters to whoever counts answers. */
export type Reading = Readonly<{
  status: number
  /** In seconds; null where it says nothing of that. */
  retryAfter: number | null
  /** Whether the server closes the connection behind it. */
  closes: boolean
  body: string
}>

const HEAD_END = '\r\n\r\n'

/** Reads the answers that come on one connection, each with a Content-Length, one at a time. */
export function createReadings(): Readonly<{ add: (chunk: Buffer) => Reading | null }> {
  let rest: Buffer | null = null
  return {
    add: (chunk) => {
      const bytes: Buffer = rest === null ? chunk : Buffer.concat([rest, chunk])
      rest = bytes
      const end = bytes.indexOf(HEAD_END)
      if (end < 0) return null
      const head = bytes.toString('latin1', 0, end)
      const start = end + HEAD_END.length
      const size = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0)
      if (bytes.length < start + size) return null
      rest = null
      const retryAfter = /\r\nretry-after: (\d+)/i.exec(head)?.[1]
      return {
        status: Number(head.slice(9, 12)),
        retryAfter: retryAfter === undefined ? null : Number(retryAfter),
        closes: /\r\nconnection: close/i.test(head),
        body: bytes.toString('utf8', start, start + size),
      }
    },
  }
}
