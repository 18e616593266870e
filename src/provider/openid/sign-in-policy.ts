import { interactionPolicy } from 'oidc-provider'
import type { Sessions } from '../../auth/sessions/sessions.ts'
import { AppError } from '../../errors.ts'
import { parseId } from '../../ids/ids.ts'
import { timeOf } from './grants.ts'
import { inItsWords } from './unavailable.ts'

const { base, Check } = interactionPolicy

/**
 * When somebody must sign in: as the library has it, and also when a browser is signed in as a user
 * who may not go on any more, or was signed out since. The library may have written back what a
 * sign-out took away while a request was under way.
 */
export function signInPolicy(
  sessions: Pick<Sessions, 'requireSince'>,
): interactionPolicy.DefaultPolicy {
  const policy = base()
  const description = 'End-User authentication is required'
  const gone = new Check('account_gone', description, 'login_required', ({ oidc }) => {
    return oidc.session?.accountId !== undefined && oidc.account === undefined
  })
  const signedOut = new Check('signed_out', description, 'login_required', async ({ oidc }) => {
    const { accountId, uid = null, loginTs } = oidc.session ?? {}
    const userId = parseId('user', accountId ?? '')
    if (!userId) return false
    const shown = { userId, browserId: uid, at: timeOf(loginTs) }
    return await inItsWords(async () => await wasSignedOut(sessions, shown))
  })
  policy.get('login')?.checks.add(gone)
  policy.get('login')?.checks.add(signedOut)
  return policy
}

/** Whether what a browser remembers ended since it was shown. */
export async function wasSignedOut(
  sessions: Pick<Sessions, 'requireSince'>,
  shown: Parameters<Sessions['requireSince']>[0],
): Promise<boolean> {
  try {
    await sessions.requireSince(shown)
    return false
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'credentials_invalid') throw error
    return true
  }
}
