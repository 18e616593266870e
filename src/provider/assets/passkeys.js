// Forms that say `data-passkey="/path"` ask for a passkey. With `data-passkey-adds` they make one.
// The server's options come from /path/options, and what the browser answers goes to /path.
const { startAuthentication, startRegistration, browserSupportsWebAuthn } =
  globalThis.SimpleWebAuthnBrowser

async function send(path, body) {
  const answer = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  })
  const told = await answer.json()
  if (!answer.ok) throw new Error(told.errorMessage)
  return told
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
    // The browser's own reasons, like a window that was closed, are no failure of the page.
    alert.textContent =
      error.name === 'NotAllowedError' ? 'No passkey was given. Please try again.' : error.message
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
