import type { Page } from 'puppeteer-core'

/** What the app shows when it has made up its mind. */
export async function shown(page: Page): Promise<string> {
  const output = await page.waitForSelector('output:not(:empty)')
  return (await output?.evaluate(({ textContent }) => textContent)) ?? ''
}

/** What the page says has gone wrong. */
export async function alertOn(page: Page): Promise<string> {
  const alert = await page.waitForSelector('[role=alert]:not([hidden])')
  return (await alert?.evaluate(({ textContent }) => textContent)) ?? ''
}

/** Types into the fields of these names. */
export async function type(page: Page, fields: Readonly<Record<string, string>>): Promise<void> {
  for (const [name, value] of Object.entries(fields)) {
    await page.locator(`input[name=${name}]`).fill(value)
  }
}

/** Sends what was typed, by the button of its form. */
export async function send(page: Page, path: string): Promise<void> {
  await Promise.all([
    page.waitForNavigation(),
    page.locator(`form[action$="${path}"] button`).click(),
  ])
}

/** What stands on the window of the app. */
export type AppWindow = Readonly<{
  app: Readonly<{
    manager: Readonly<{
      getUser: () => Promise<{ access_token: string } | null>
      signinRedirect: (how: object) => Promise<void>
      signinSilent: () => Promise<{ access_token: string }>
    }>
    refresh: () => Promise<{ access_token: string }>
  }>
}>

/** The access token that the app holds. */
export async function tokenIn(page: Page): Promise<string> {
  return await page.evaluate(async () => {
    const { app } = globalThis as unknown as AppWindow
    return (await app.manager.getUser())?.access_token ?? ''
  })
}
