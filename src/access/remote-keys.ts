import { channel } from 'node:diagnostics_channel'
import { createRemoteJWKSet, customFetch, errors } from 'jose'
import type { FetchImplementation } from 'jose'
import { AppError } from '../errors.ts'
import { after, HOUR, SECOND } from '../time.ts'
import type { Clock, Micros } from '../time.ts'
import type { KeyOf } from './issuers.ts'

/** Publishes `{ message }` when what tokens are checked against cannot be read. */
const trouble = channel('farthing:access.trouble')

const ANSWERS_WITHIN_MS = 3_000
/** After keys came, an unknown key has them read again only so much later. */
const APART_MS = 30_000
/** After keys did not come, nobody asks again for so long. */
const REST = 5n * SECOND
/** Keys count for so long when they cannot be read again: a day of their provider's outage. */
const KEPT_MS = 86_400_000
/** Then they are read again while they are used: a key that was withdrawn counts no longer. */
const READ_AGAIN = HOUR
/** Microsoft's set has some 20,000. */
const SET_MAX_BYTES = 262_144

/**
 * The keys of an outside issuer, from its JWK Set. A key that was seen is found without asking, so
 * that an outage there does not end what goes on here. However many unknown keys are asked for,
 * the set is read twice a minute at most, and at most every five seconds while it does not answer.
 */
export function remoteKeys(uri: URL, clock: Clock): KeyOf {
  let readAt: Micros | null = null
  let failedAt: Micros | null = null

  const read: FetchImplementation = async (url, options) => {
    if (failedAt !== null && clock.now() < after(failedAt, REST)) throw new Error('failed just now')
    try {
      const set = await readSet(await fetch(url, options))
      readAt = clock.now()
      failedAt = null
      return set
    } catch (error) {
      failedAt = clock.now()
      trouble.publish({ message: `the keys at ${uri.origin} cannot be read: ${String(error)}` })
      throw error
    }
  }
  const keys = createRemoteJWKSet(uri, {
    timeoutDuration: ANSWERS_WITHIN_MS,
    cooldownDuration: APART_MS,
    cacheMaxAge: KEPT_MS,
    [customFetch]: read,
  })

  return async (header) => {
    if (readAt !== null && clock.now() >= after(readAt, READ_AGAIN)) {
      // Nobody waits for it, and whoever listens to the channel is told when it fails.
      keys.reload().catch(() => undefined)
    }
    try {
      return await keys(header)
    } catch (cause) {
      if (cause instanceof errors.JWKSNoMatchingKey) return null
      if (cause instanceof errors.JWKSMultipleMatchingKeys) return null
      if (cause instanceof errors.JOSENotSupported) return null
      throw new AppError('issuer_unavailable', {}, { cause })
    }
  }
}

/** A response that holds a JWK Set and nothing beyond measure. */
async function readSet(response: Response): Promise<Response> {
  if (response.status !== 200 || !response.body) throw new Error(`status ${response.status}`)
  const chunks: Uint8Array[] = []
  let bytes = 0
  for await (const chunk of response.body) {
    bytes += chunk.byteLength
    if (bytes > SET_MAX_BYTES) throw new Error(`more than ${SET_MAX_BYTES} bytes`)
    chunks.push(chunk)
  }
  const set: unknown = JSON.parse(Buffer.concat(chunks).toString('utf8'))
  const listed = typeof set === 'object' && set !== null && 'keys' in set && Array.isArray(set.keys)
  if (!listed) throw new Error('no JWK Set')
  return Response.json(set)
}
