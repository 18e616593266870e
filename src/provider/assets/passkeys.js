// Forms that say `data-passkey="/path"` ask for a passkey. With `data-passkey-adds` they make one.
// The server's options come from /path/options, and what the browser answers goes to /path.
const { startAuthentication, startRegistration, browserSupportsWebAuthn } =
  globalThis.SimpleWebAuthnBrowser

/** What the browser calls the ways in which nothing comes of it, in words of our own. */
const sentences = {
  // Also for who closed the window: that is no failure of the page.
  NotAllowedError: 'No passkey was given. Please try again.',
  InvalidStateError: 'This device has a passkey of yours already.',
  ConstraintError: 'This device cannot ask for a finger, a face or a PIN. Please use another.',
}
const unknown = 'That did not work. Please try again.'

/** Where whoever has not signed in lately does so first. */
const signInAgain = '/account/again'

/** What the server says no to, with the sentence for it. */
class Refused extends Error {}

async function send(path, body) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const told = await answer.json()
  if (answer.ok) return told
  if (answer.status === 401) globalThis.location.assign(signInAgain)
  throw new Refused(told.errorMessage)
}

async function run(form) {
  const path = form.dataset.passkey
  const optionsJSON = await send(`${path}/options`, {})
  const adds = 'passkeyAdds' in form.dataset
  const response = adds
    ? await startRegistration({ optionsJSON })
    : await startAuthentication({ optionsJSON })
  const name = form.elements.name?.value
  const { location } = await send(path, adds ? { response, name } : { response })
  globalThis.location.assign(location)
}

async function answer(form) {
  const button = form.querySelector('button')
  const alert = form.querySelector('[role=alert]')
  button.disabled = true
  alert.hidden = true
  try {
    await run(form)
  } catch (error) {
    alert.textContent =
      error instanceof Refused ? error.message : (sentences[error.name] ?? unknown)
    alert.hidden = false
    button.disabled = false
  }
}

for (const form of document.querySelectorAll('form[data-passkey]')) {
  if (!browserSupportsWebAuthn()) continue
  form.hidden = false
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    void answer(form)
  })
}
