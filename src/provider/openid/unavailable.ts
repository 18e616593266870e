import { errors } from 'oidc-provider'
import type { Adapter } from 'oidc-provider'
import { AppError } from '../../errors.ts'
import { problems } from '../../problems.ts'

/**
 * Does what the library asks for, and says what is away in the library's own words: to it, an error
 * of ours would be a bug.
 *
 * @throws OIDCProviderError `temporarily_unavailable` for an AppError. @see RFC 6749 section 4.1.2.1
 */
export async function inItsWords<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    const { status, sentence } = problems[error.code]
    const told = new errors.OIDCProviderError(status, 'temporarily_unavailable', { cause: error })
    throw Object.assign(told, { error_description: sentence, expose: true, allow_redirect: false })
  }
}

/** The adapter, each function of it in those words. */
export function adapterInItsWords(adapter: Adapter): Adapter {
  return {
    upsert: async (...ask) => await inItsWords(async () => await adapter.upsert(...ask)),
    find: async (id) => await inItsWords(async () => await adapter.find(id)),
    findByUserCode: async (code) =>
      await inItsWords(async () => await adapter.findByUserCode(code)),
    findByUid: async (uid) => await inItsWords(async () => await adapter.findByUid(uid)),
    consume: async (id) => await inItsWords(async () => await adapter.consume(id)),
    destroy: async (id) => await inItsWords(async () => await adapter.destroy(id)),
    revokeByGrantId: async (id) => await inItsWords(async () => await adapter.revokeByGrantId(id)),
  }
}
