// A single-page app as small as can be, on a library that others use. Tokens live in its memory.
const { UserManager, WebStorageStateStore, InMemoryWebStorage } = globalThis.oidc
const { origin, pathname } = globalThis.location

const manager = new UserManager({
  authority: document.documentElement.dataset.issuer,
  client_id: 'web',
  redirect_uri: `${origin}/signed-in`,
  silent_redirect_uri: `${origin}/signed-in-silently`,
  post_logout_redirect_uri: `${origin}/`,
  scope: 'openid profile user:read payments:read payments:write',
  userStore: new WebStorageStateStore({ store: new InMemoryWebStorage() }),
  automaticSilentRenew: false,
  monitorSession: false,
  loadUserInfo: false,
})

function show(text) {
  document.querySelector('output').textContent = text
}

/** The refresh token, or when another tab was faster, the cookie of the auth layer. */
async function refresh() {
  try {
    return await manager.signinSilent()
  } catch {
    await manager.removeUser()
    return await manager.signinSilent()
  }
}

async function arrive() {
  if (pathname === '/signed-in-silently') return await manager.signinSilentCallback()
  try {
    const user =
      pathname === '/signed-in' ? await manager.signinRedirectCallback() : await refresh()
    globalThis.history.replaceState(null, '', '/')
    show(`Hello ${user.profile.sub}`)
  } catch (error) {
    show(`Nobody: ${error.error ?? error.message}`)
  }
}

const clicks = {
  'sign-in': async () => await manager.signinRedirect(),
  'sign-up': async () =>
    await manager.signinRedirect({ extraQueryParams: { screen_hint: 'register' } }),
  'sign-out': async () => await manager.signoutRedirect(),
}
for (const [id, click] of Object.entries(clicks)) {
  document.getElementById(id)?.addEventListener('click', () => void click())
}
globalThis.app = { manager, refresh }
void arrive()
