import { interactionPolicy } from 'oidc-provider'

const { base, Check } = interactionPolicy

/**
 * When somebody must sign in: as the library has it, and also when a browser is signed in as a user
 * who may not go on any more.
 */
export function signInPolicy(): interactionPolicy.DefaultPolicy {
  const policy = base()
  const description = 'End-User authentication is required'
  const gone = new Check('account_gone', description, 'login_required', ({ oidc }) => {
    return oidc.session?.accountId !== undefined && oidc.account === undefined
  })
  policy.get('login')?.checks.add(gone)
  return policy
}
