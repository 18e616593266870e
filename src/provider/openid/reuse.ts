import type { KoaContextWithOIDC } from 'oidc-provider'
import type { Recorder } from '../../auth/guard/record.ts'
import { sessionOfGrant } from '../../auth/sessions/store.ts'
import { printId } from '../../ids/ids.ts'
import { whenceOf } from './provider.ts'

/**
 * Writes down that a refresh token came which was used before. The library has ended its family by
 * then, and does not know it any more when it comes again.
 */
export function recordReuse({ record }: Readonly<{ record: Recorder }>) {
  return async (ctx: KoaContextWithOIDC, next: () => Promise<unknown>): Promise<void> => {
    await next()
    // Of what the library does not know, there is no `oidc`.
    const { route, entities, client } = (ctx as Partial<KoaContextWithOIDC>).oidc ?? {}
    const token = entities?.RefreshToken
    if (route !== 'token' || ctx.status !== 400 || !token?.consumed) return
    const whose = sessionOfGrant(token.grantId ?? '')
    if (!whose) return
    const { userId, sessionId } = whose
    const whence = { ...whenceOf(ctx), clientId: client?.clientId ?? null }
    const facts = { session: printId('sess', sessionId) }
    await record({ ...whence, userId, kind: 'refresh_reused', outcome: 'refused', facts })
  }
}
