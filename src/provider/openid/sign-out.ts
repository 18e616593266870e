import type { KoaContextWithOIDC } from 'oidc-provider'
import type { Recorder } from '../../auth/guard/record.ts'
import type { Sessions } from '../../auth/sessions/sessions.ts'
import { parseId } from '../../ids/ids.ts'
import { whenceOf } from './provider.ts'

type SignOutParts = Readonly<{ sessions: Sessions; record: Recorder }>

/**
 * Signing out of a browser ends the sessions that began in it, or those of the one app that was
 * left. The library does not: grants outlive its own session here, for that one ends sooner.
 */
export function endOnSignOut({ sessions, record }: SignOutParts) {
  return async (ctx: KoaContextWithOIDC, next: () => Promise<unknown>): Promise<void> => {
    await next()
    // Of what the library does not know, there is no `oidc`.
    const { route, session, client, params } = (ctx as Partial<KoaContextWithOIDC>).oidc ?? {}
    const userId = parseId('user', session?.accountId ?? '')
    if (route !== 'end_session_confirm' || ctx.status !== 303 || !session || !userId) return
    const whole = params?.['logout'] !== undefined
    if (!whole && !client) return
    const clientId = client?.clientId ?? null
    const browser = { userId, browserId: session.uid }
    const count = await sessions.endIn(browser, whole ? null : clientId)
    const whence = { ...whenceOf(ctx), clientId }
    await record({ ...whence, userId, kind: 'sign_out', outcome: 'done', facts: { count } })
  }
}
