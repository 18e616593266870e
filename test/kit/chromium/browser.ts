import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { launch } from 'puppeteer-core'
import type { Page } from 'puppeteer-core'

const START_WITHIN_MS = 60_000
/** Much longer than a page takes, so that running out of it is a finding. */
const PATIENCE_MS = 20_000

const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

export type Browser = Readonly<{
  /** A page of somebody with no cookies yet. */
  person: () => Promise<Page>
  /** A further tab of the same somebody. */
  tab: (page: Page) => Promise<Page>
  close: () => Promise<void>
}>

function patient(page: Page): Page {
  page.setDefaultTimeout(PATIENCE_MS)
  return page
}

/** Chromium, with a profile of its own that is gone after. Use `localhost`, not 127.0.0.1. */
export async function openBrowser(program: string): Promise<Browser> {
  const userDataDir = await mkdtemp(join(tmpdir(), 'farthing-browser-'))
  const browser = await launch({
    executablePath: program,
    headless: 'shell',
    args: flags,
    userDataDir,
    timeout: START_WITHIN_MS,
  })
  return {
    person: async () => patient(await (await browser.createBrowserContext()).newPage()),
    tab: async (page) => patient(await page.browserContext().newPage()),
    close: async () => {
      await browser.close()
      await rm(userDataDir, { recursive: true, force: true })
    },
  }
}
